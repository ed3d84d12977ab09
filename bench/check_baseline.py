#!/usr/bin/env python3
"""Compares results of the benchmark programs with the goals and bands of baseline.json.

    build/bench/bench_noise --benchmark_format=json > noise.json
    bench/check_baseline.py noise.json ...

Each entry of "timed" names a benchmark (a regular expression over its whole name), one of its fields or counters, and
"at_least" or "at_most". Exit code 0: all that were found hold; 1: one does not; 2: bad input. Times depend on the
machine and on what else it does, so this is no test; the exact counts are (tests/bench).
"""
import json
import pathlib
import re
import sys


def main(paths):
    if not paths:
        print(__doc__, file=sys.stderr)
        return 2
    baseline = json.loads((pathlib.Path(__file__).parent / "baseline.json").read_text())
    rows = []
    for path in paths:
        try:
            rows += json.loads(pathlib.Path(path).read_text())["benchmarks"]
        except (OSError, ValueError, KeyError) as error:
            print(f"check_baseline: error: {path}: no benchmark output in JSON: {error}", file=sys.stderr)
            return 2
    bad = checked = 0
    for rule in baseline["timed"]:
        for row in rows:
            if row.get("run_type") == "aggregate" or not re.fullmatch(rule["benchmark"], row["name"]):
                continue
            value = row.get(rule["field"])
            if value is None:
                print(f"check_baseline: error: {row['name']} has no {rule['field']}", file=sys.stderr)
                return 2
            holds = value >= rule.get("at_least", value) and value <= rule.get("at_most", value)
            bound = f">= {rule['at_least']:g}" if "at_least" in rule else f"<= {rule['at_most']:g}"
            print(f"{'ok  ' if holds else 'MISS'} {row['name']}: {rule['field']} {value:.4g} ({bound})")
            checked += 1
            bad += not holds
    if checked == 0:
        print("check_baseline: error: no benchmark of the baseline is in these files", file=sys.stderr)
        return 2
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
