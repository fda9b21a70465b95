"""`make bench`: every measurement, the pages in benches/results, latest.json, the README's figures.

A quick run writes into benches/results/quick, which is not kept: its figures are rough.

    python benches/run.py [--quick] [--only portal]
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import codecs_bench
import edge_bench
import evennia_bench
import hub_bench
import markup_bench
import portal_load
import readme
import results
import websocket_load

SECTIONS = {
    "codec": codecs_bench,
    "markup": markup_bench,
    "hub": hub_bench,
    "edge": edge_bench,
    "portal": portal_load,
    "websocket": websocket_load,
    "evennia": evennia_bench,
}
README = Path(__file__).parents[1] / "README.md"


def parse(arguments):
    parser = argparse.ArgumentParser(description="Measures Portal and writes benches/results.")
    parser.add_argument("--quick", action="store_true", help="five minutes instead of twenty")
    parser.add_argument("--only", choices=SECTIONS, help="one section; the others' figures stay")
    return parser.parse_args(arguments)


def raise_descriptors():
    """Ten thousand players need as many descriptors; children inherit the limit."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main(arguments=None):
    options = parse(arguments)
    raise_descriptors()
    if options.quick:
        results.RESULTS /= "quick"
    results.RESULTS.mkdir(parents=True, exist_ok=True)
    path = results.RESULTS / "latest.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    latest = {name: kept[name] for name in SECTIONS if name in kept}
    aims = []
    for name, section in SECTIONS.items():
        if options.only in (None, name):
            watch = results.Watch()
            latest[name] = section.run(quick=options.quick)
            latest[name]["machine"] = results.machine(watch)
            aims += section.report(latest[name])
            print(f"{name}: {time.monotonic() - watch.begun:.0f} s", flush=True)
    path.write_text(json.dumps(latest, indent=1) + "\n")
    if not options.quick and latest.keys() >= SECTIONS.keys():
        readme.update(README, latest)
    print(results.aims_table(aims))


if __name__ == "__main__":
    sys.exit(main())
