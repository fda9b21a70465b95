"""The exposition: every counter and gauge of one Portal in the formats of Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats/ - which of them (its own text format,
or OpenMetrics) is what the `Accept` header of the request asks for. Nothing is kept between two
requests, and nothing stands in the library's global registry: two Portals in one process are two
expositions.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from portal.metrics import Gauge, Metrics, help_texts

if TYPE_CHECKING:
    from prometheus_client.core import Metric

# What is no figure of Portal but one that Prometheus knows of every process.
OF_EVERY_PROCESS = "process_"


class Exposition:
    """Renders `metrics` and `gauges`; these are read anew each time, also those that come later."""

    def __init__(self, metrics: Metrics, gauges: Iterable[Gauge]) -> None:
        # Only a Portal with an HTTP port needs it. Imported here and not by the first request,
        # which would hold everybody up for some milliseconds.
        from prometheus_client.core import (  # noqa: PLC0415
            CounterMetricFamily,
            GaugeMetricFamily,
        )
        from prometheus_client.exposition import choose_encoder  # noqa: PLC0415

        self._metrics = metrics
        self._gauges = gauges
        self._help = help_texts()
        self._counter = CounterMetricFamily
        self._gauge = GaugeMetricFamily
        self._choose = choose_encoder

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Return the body and its content type, for the `Accept` header of a request.

        A header that is no good, or asks for something else, gets the text format.
        """
        try:
            encode, content_type = self._choose(accept)
        except (TypeError, ValueError):  # a version that is no number
            encode, content_type = self._choose("")
        return encode(self), content_type

    def collect(self) -> "Iterator[Metric]":
        """Give every figure as the library wants it: a custom collector of it."""
        for name, value in self._metrics.as_dict().items():
            yield self._counter(f"portal_{name}", self._help[name], value)
        for gauge in self._gauges:
            figure = gauge.read()
            if figure is None:
                continue
            known = gauge.name.startswith(OF_EVERY_PROCESS)
            name = gauge.name if known else f"portal_{gauge.name}"
            family = self._counter if gauge.total else self._gauge
            if isinstance(figure, float | int):
                yield family(name, gauge.help, figure)
                continue
            metric = family(name, gauge.help, labels=[gauge.label])
            for label, each in figure.items():
                metric.add_metric([label], each)
            yield metric
