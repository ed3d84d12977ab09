#!/usr/bin/env python3
"""Every suite in suites/ that makes a table of networks runs to its end at toy size, and prints its table: the networks are
random ones of the same family and reduced width (tests/golden/nets) where the public weights would be, the data are
noise, Inception is the mean of pixels, numbers of steps and images are small. All else is the suite's own text."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import numpy

import safetensors_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ["SCHEDBENCH_PROGRAM"]
NETS = ROOT / "tests" / "golden" / "nets"
FAMILIES = {row["name"]: row.get("family") for row in json.loads((ROOT / "scripts" / "public_files.json").read_text())["files"]}
SIDE = 16
# Keys whose whole list is replaced. A list of budgets or steps keeps two of its entries, made small.
SIZES = {"images": "2", "batch": "2", "reference-images": "8", "statistics-images": "2"}
# Suites that make a table of networks; the others have tests of their own.
TABLES = re.compile(r"(watson|analytic-dpm|edm|fashion|score-optimal-table)")


def random_network(name):
    """The golden network that stands in for a public file."""
    family = FAMILIES[name]
    if family == "edm.precond":
        if name.endswith("-adm"):
            return "edm_adm"
        return "edm_ddpmpp_cond" if "-cond-" in name else "edm_ncsnpp"
    return {"improved_diffusion.UNetModel": "id_noss", "pytorch_diffusion.Model": "ho_ddpm",
            "guided_diffusion.UNetModel": "gd_adm"}[family]


class TableSuites(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        random = numpy.random.default_rng(1)
        # Waves and noise: neither constant nor white.
        waves = 128 + 90 * numpy.sin(numpy.arange(SIDE)[None, :, None, None] * random.uniform(0.2, 1, (64, 1, 1, 3)))
        pixels = (waves + 20 * random.standard_normal((64, SIDE, SIDE, 3))).clip(0, 255).astype(numpy.uint8)
        for name, part in (("train", pixels[:48]), ("test", pixels[48:])):
            numpy.savez(self.root / f"{name}.npz", arr_0=part, labels=numpy.arange(len(part)) % 4)

    def toy_model(self, spec):
        """A model line: the public file's stand-in, with a process of a few levels in place of its thousands."""
        name = re.search(r"file=weights/([^,]+)\.safetensors", spec).group(1)
        if name not in FAMILIES:  # the repository's own networks
            spec = spec.replace("weights/", f"{ROOT}/weights/")
            return spec if "edm" in name else f"{spec},process='cosine:T=24'"
        about, tensors = safetensors_file.read(NETS / (random_network(name) + ".safetensors"))
        if about["family"] != "edm.precond":
            about |= {"process": "cosine:T=24", "image_size": str(SIDE), "rescale_timesteps": "false"}
        about["name"] = name  # two public files with one stand-in are two models
        path = self.root / f"{name}.safetensors"
        safetensors_file.write(path, tensors, about)
        return spec.replace(f"weights/{name}.safetensors", str(path))

    def toy_value(self, key, value):
        if key == "model":
            return self.toy_model(value)
        if key in ("data", "reference", "heldout") and not value.startswith("fashion-mnist"):
            part = "test" if key == "heldout" else "train"
            return f"npz:file={self.root / part}.npz" + (",labels=labels" if "labels=" in value else "")
        if key == "extractor" and value.startswith("inception"):
            return f"pixels:size={SIDE},channels=3"
        if key == "extractor" or key == "published":
            return value.replace("weights/", f"{ROOT}/weights/").replace("results/", f"{ROOT}/results/")
        if key == "schedule" and value.startswith("score-optimal"):
            keys = dict(key.split("=") for key in value.partition(":")[2].split(",") if key)
            keys |= {"probes": "4", "batch": "2", "spacing": "0.2", "sigma-min": "0.5", "sigma-max": "4"}
            return "score-optimal:" + ",".join(f"{key}={value}" for key, value in keys.items())
        return value

    def toy(self, suite):
        """The suite's text with its sizes made small."""
        lines, seen = [], {}
        for line in suite.read_text().splitlines():
            match = re.fullmatch(r"([a-z0-9-]+)\s*=\s*(.*?)\s*", line)
            if not match:
                lines.append(line)
                continue
            key, value = match.groups()
            count = seen[key] = seen.get(key, 0) + 1
            if key in SIZES:
                value = SIZES[key]
            elif key in ("steps", "bpd-steps", "budget") and value != "all":
                if count > 2:
                    continue
                value = {"budget": ["5", "9"]}.get(key, ["4", "8"])[count - 1]
            lines.append(f"{key} = {self.toy_value(key, value)}")
        lines += [f"{key} = {value}" for key, value in SIZES.items() if key not in seen]
        path = self.root / suite.name
        path.write_text("\n".join(lines) + "\n")
        return path

    def run_ok(self, *command):
        result = subprocess.run([PROGRAM, *map(str, command)], capture_output=True, text=True, check=False, cwd=self.root)
        self.assertEqual(result.returncode, 0, result.stderr[-3000:])
        return result.stdout

    def check(self, suite):
        path, run = self.toy(suite), self.root / "run.h5"
        self.run_ok("sweep", path, "--output", run, "--threads", 1, "--cache", "none", "--quiet")
        table = self.run_ok("table", run)
        self.assertGreater(len(table.splitlines()), 3, table)
        text = path.read_text()
        self.assertTrue("bpd-steps" not in text or "bits/dim" in table, table)
        self.assertTrue(re.search(r"\d\.\d", table), table)


def add_tests():
    suites = [path for path in sorted((ROOT / "suites").glob("*.suite")) if TABLES.match(path.name)]
    assert len(suites) >= 12, suites
    for path in suites:
        name = "test_" + path.stem.replace("-", "_")
        setattr(TableSuites, name, lambda self, path=path: self.check(path))


add_tests()

if __name__ == "__main__":
    sys.exit(unittest.main())
