#!/usr/bin/env python3
"""Both precision profiles with the built program: the same sweep in each, compared in pairs, resolves or bounds what the
faster one changes; each stores its own distance from float64; a CPU that may not use bfloat16 is refused by name. The
comparison is skipped, saying so, where the CPU has no such instructions."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ["SCHEDBENCH_PROGRAM"]
WEIGHTS = ROOT / "weights" / "fashion-edm.safetensors"
IMAGES = 512
SUITE = """name = profiles
model = native:file={weights}
schedule = edm
sampler = dpmpp-2m
budget = 10
images = {images}
batch = 64
seed = 0
reference = npy:file={folder}/reference.npy
extractor = classifier:file={root}/weights/fashion32.safetensors
"""


class Profiles(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def run_program(self, *words, **environment):
        return subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, check=False,
                              env={**os.environ, **environment})

    def run_ok(self, *words):
        result = self.run_program(*words)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_refusals(self):
        sample = ("sample", "--steps", 2, "--count", 1, "--batch", 1, "--output", self.path("x.npy"), "--threads", 1)
        for words in ((*sample, "--model", f"native:file={WEIGHTS}", "--profile", "fast"),
                      (*sample, "--model", f"native:file={WEIGHTS},precision=bf16")):
            result = self.run_program(*words, ATEN_CPU_CAPABILITY="avx2")
            self.assertEqual(result.returncode, 2, result.stdout)
            self.assertIn("ATEN_CPU_CAPABILITY keeps bf16 instructions from being used", result.stderr)
            self.assertEqual(result.stderr.strip().count("\n"), 0)
        # Said explicitly, float32 is float32 in any profile.
        self.assertFalse(os.path.exists(self.path("x.npy")))

    def test_paired_comparison(self):
        probe = self.run_program("sample", "--model", f"native:file={WEIGHTS}", "--steps", 1, "--count", 1, "--batch", 1,
                                 "--output", self.path("probe.npy"), "--profile", "fast")
        if "bf16 instructions" in probe.stderr:
            self.skipTest(probe.stderr.strip())
        self.run_ok("sample", "--model", f"native:file={WEIGHTS}", "--sampler", "dpmpp-2m", "--schedule", "edm", "--steps", 10,
                    "--seed", 7, "--count", 2 * IMAGES, "--batch", 64, "--threads", 1, "--output", self.path("reference.npy"))
        suite = pathlib.Path(self.path("profiles.suite"))
        suite.write_text(SUITE.format(weights=WEIGHTS, images=IMAGES, folder=self.folder.name, root=ROOT))
        distance = {}
        for profile in ("reproducible", "fast"):
            run = self.path(profile + ".h5")
            self.run_ok("sweep", suite, "--output", run, "--threads", 1, "--profile", profile, "--quiet")
            for command in ("show", "table"):
                line = next(line for line in self.run_ok(command, run).splitlines() if f"profile {profile}: x0hat" in line)
            distance[profile] = float(line.split(" by ")[1].split()[0])
        # float32 is 24 bits, bfloat16 8.
        self.assertLess(distance["reproducible"], 2e-5)
        self.assertTrue(1e-4 < distance["fast"] < 3e-2, distance)
        rows = json.loads(self.run_ok("compare", self.path("reproducible.h5"), self.path("fast.h5"), "--json"))
        row = next(row for row in rows if row["metric"] == "fd-fashion32")
        print(f"{row['metric']}: {row['a']['value']:.4g} +- {row['a']['se']:.2g} reproducible, {row['b']['value']:.4g} fast; "
              f"difference {row['value']:.3g} in [{row['low']:.3g}, {row['high']:.3g}], unpaired error "
              f"{row['unpaired_se']:.2g}, correlation {row['correlation']:.4f}, resolved {row['resolved']}")
        self.assertTrue(row["paired"], row["pairing"])
        self.assertGreater(row["correlation"], 0.98)
        # The interval of the difference is far narrower than each value's own, and lies about a small number.
        self.assertLess(row["se"], 0.25 * row["unpaired_se"])
        self.assertLess(row["high"] - row["low"], row["a"]["value"])
        self.assertLess(max(abs(row["low"]), abs(row["high"])), 0.5 * row["a"]["value"])


if __name__ == "__main__":
    unittest.main()
