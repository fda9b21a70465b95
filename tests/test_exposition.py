"""The figures in the formats of Prometheus, read back by its own parsers."""

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from portal.exposition import Exposition
from portal.metrics import Gauge, Metrics, help_texts

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"


def make(*gauges):
    metrics = Metrics()
    metrics.messages_in = 7
    return Exposition(metrics, gauges)


def samples(body, parse=parse_text):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in parse(body.decode())
        for sample in family.samples
    }


@pytest.mark.parametrize(
    "accept", ["", "*/*", "text/html", OPENMETRICS, "text/plain;version=1.0.0"]
)
def test_every_counter_with_its_help(accept):
    body, content_type = make().render(accept)
    openmetrics = accept == OPENMETRICS
    assert content_type.startswith("application/openmetrics" if openmetrics else "text/plain")
    parse = parse_openmetrics if openmetrics else parse_text
    families = {family.name: family for family in parse(body.decode())}
    texts = help_texts()
    assert families.keys() == {f"portal_{name}" for name in texts}
    for name, text in texts.items():
        family = families[f"portal_{name}"]
        assert (family.type, family.documentation) == ("counter", text)
        (sample,) = family.samples
        assert sample.name == f"portal_{name}_total"
        assert sample.value == (7 if name == "messages_in" else 0)


@pytest.mark.parametrize(
    ("gauge", "expected"),
    [
        (Gauge("held_bytes", "Bytes.", lambda: 12), {("portal_held_bytes",): 12}),
        (Gauge("lag_seconds", "Lag.", lambda: 0.25), {("portal_lag_seconds",): 0.25}),
        (Gauge("unknown", "Not told.", lambda: None), {}),
        (Gauge("lost", "Lost.", lambda: 3, total=True), {("portal_lost_total",): 3}),
        (Gauge("process_open_fds", "Open.", lambda: 9), {("process_open_fds",): 9}),
        (
            Gauge("process_cpu_seconds", "CPU.", lambda: 1.5, total=True),
            {("process_cpu_seconds_total",): 1.5},
        ),
        (
            Gauge("sessions", "By protocol.", lambda: {"telnet": 2, "web": 1}, label="protocol"),
            {("portal_sessions", "telnet"): 2, ("portal_sessions", "web"): 1},
        ),
        (Gauge("sessions", "By protocol.", dict, label="protocol"), {}),
    ],
    ids=lambda value: value.name if isinstance(value, Gauge) else "",
)
@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_gauges(gauge, expected, accept):
    parse = parse_openmetrics if accept else parse_text
    without = samples(make().render(accept)[0], parse)
    found = samples(make(gauge).render(accept)[0], parse)
    assert {key: value for key, value in found.items() if key not in without} == expected


def test_figures_are_read_anew_each_time():
    gauges = []
    exposition = Exposition(Metrics(), gauges)
    assert b"portal_late" not in exposition.render()[0]
    numbers = iter([1, 2])
    gauges.append(Gauge("late", "Came later.", lambda: next(numbers)))
    for number in (1, 2):
        assert samples(exposition.render()[0])["portal_late",] == number


@pytest.mark.parametrize("version", ["x", "0", "1.x", ""])
@pytest.mark.parametrize("kind", ["text/plain", "application/openmetrics-text"])
def test_a_header_that_is_no_good(kind, version):
    body, _ = make().render(f"{kind};version={version}")
    assert b"portal_messages_in" in body


def test_two_portals_are_two_expositions():
    one, other = make(), Exposition(Metrics(), ())
    assert samples(one.render()[0])["portal_messages_in_total",] == 7
    assert samples(other.render()[0])["portal_messages_in_total",] == 0
