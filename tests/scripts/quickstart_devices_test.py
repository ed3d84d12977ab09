#!/usr/bin/env python3
"""The quickstart on a device beside the CPU: every metric of every cell and every bits/dim within the tolerances below.

usage: quickstart_devices_test.py [--device cuda] [--suite suites/quickstart.suite] [--environment NAME=VALUE ...]

Ends with 77 and the reason where there is no such device. `--device cpu --environment ATEN_CPU_CAPABILITY=default` puts
this CPU with other instructions in the device's place: the same comparison, of float32 that is rounded otherwise.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("SCHEDBENCH_PROGRAM", str(ROOT / "build" / "apps" / "schedbench"))
# A distance is 2 to 60 with a standard error of 0.7 to 2, so 0.02 is a fortieth of that at most; bits/dim are 2.8 to 230
# with an error of 0.4 % or more, so a thousandth of the value is a quarter at most.
DISTANCE, BITS_RELATIVE = 0.02, 1e-3


def schedbench(*arguments, environment=None):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT,
                          env={**os.environ, "SCHEDBENCH_CACHE": "none", **(environment or {})})


def tolerance(row):
    return BITS_RELATIVE * abs(row["b"]["value"]) if row["metric"].startswith("bpd") else DISTANCE


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--suite", default="suites/quickstart.suite")
    parser.add_argument("--environment", action="append", default=[], metavar="NAME=VALUE", help="of the device's sweep")
    options = parser.parse_args()
    if not os.path.exists("/usr/share/datasets/fashion-mnist"):
        print("skipped: Fashion-MNIST is not installed (Debian package dataset-fashion-mnist)")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        runs = {name: pathlib.Path(folder) / f"{name}.h5" for name in ("cpu", "device")}
        probe = schedbench("sample", "--model", "exact:cantor", "--schedule", "edm", "--sampler", "heun", "--steps", 2,
                           "--count", 1, "--device", options.device, "--output", pathlib.Path(folder) / "probe.npy")
        if probe.returncode == 2 and options.device.startswith("cuda"):
            print(f"no CUDA device: {probe.stderr.strip()}")
            return 77
        for name, device, environment in (("device", options.device, dict(e.split("=", 1) for e in options.environment)),
                                          ("cpu", "cpu", {})):
            result = schedbench("sweep", options.suite, "--device", device, "--output", runs[name], environment=environment)
            if result.returncode != 0:
                sys.exit(f"the sweep on {device} failed: {result.stderr[-2000:]}")
        result = schedbench("compare", runs["device"], runs["cpu"], "--json")
        if result.returncode != 0:
            sys.exit(f"compare failed: {result.stderr}")
        rows = json.loads(result.stdout)
    if not rows or not any(row["metric"].startswith("bpd") for row in rows):
        sys.exit("the runs have no distance or no bits/dim in common")
    far, largest = [], {}
    for row in rows:
        if row["problem"]:
            far.append(f"{row['cell']}: {row['problem']}")
            continue
        share = abs(row["value"]) / tolerance(row)
        largest[row["metric"]] = max(largest.get(row["metric"], (0, 0)), (share, abs(row["value"])))
        if share > 1:
            far.append(f"{row['cell']}, {row['metric']}: {row['a']['value']:.6g} on the device, {row['b']['value']:.6g} on the CPU")
    print(f"{len(rows)} figures of {options.device} and the CPU; largest difference, and in tolerances:")
    for metric, (share, value) in sorted(largest.items()):
        print(f"  {metric:24}{value:.2g}  {share:.2g}")
    for line in far:
        print(f"too far apart: {line}")
    return 1 if far else 0


if __name__ == "__main__":
    sys.exit(main())
