"""`make bench`: every measurement, the pages in benches/results, and latest.json beside them.

python benches/run.py [--quick] [--only portal]
"""

import argparse
import json
import resource
import sys

import codecs_bench
import hub_bench
import portal_load
from results import RESULTS, aims_table, machine

SECTIONS = {"codec": codecs_bench, "hub": hub_bench, "portal": portal_load}


def parse(arguments):
    parser = argparse.ArgumentParser(description="Measures Portal and writes benches/results.")
    parser.add_argument("--quick", action="store_true", help="two minutes instead of ten")
    parser.add_argument("--only", choices=SECTIONS, help="one section; the others' figures stay")
    return parser.parse_args(arguments)


def raise_descriptors():
    """Ten thousand players need as many descriptors; children inherit the limit."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main(arguments=None):
    options = parse(arguments)
    raise_descriptors()
    path = RESULTS / "latest.json"
    latest = json.loads(path.read_text()) if path.exists() else {}
    aims = []
    for name, section in SECTIONS.items():
        if options.only in (None, name):
            print(f"== {name}", flush=True)
            figures = section.run(quick=options.quick)
            latest[name] = figures
            aims += section.report(figures)
    latest["machine"] = machine()
    latest["quick"] = options.quick
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(latest, indent=1) + "\n")
    print(aims_table(aims))


if __name__ == "__main__":
    sys.exit(main())
