#!/usr/bin/env python3
"""examples/ and make_golden.py with the built program: the repository's own U-Net, written a second time in Python, exported
as TorchScript, samples and has a likelihood as the native one; a golden file made of it is verified. Skipped where this
Python has no torch (CMake: SCHEDBENCH_TORCH_PYTHON)."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy

import safetensors_file

try:
    import torch
except ImportError:
    torch = None

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("SCHEDBENCH_PROGRAM")
WEIGHTS = ROOT / "weights" / "fashion-hybrid.safetensors"


@unittest.skipUnless(torch and PROGRAM, "this Python has no torch (give CMake SCHEDBENCH_TORCH_PYTHON), or no program is given")
class Examples(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return str(pathlib.Path(self.folder.name) / name)

    def run_ok(self, *command):
        result = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, cwd=ROOT)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def python(self, script, *arguments):
        return self.run_ok(sys.executable, "-B", ROOT / script, *arguments)

    def test_torchscript(self):
        self.python("examples/export_torchscript.py", WEIGHTS, self.path("net.pt"))
        models = {"native": f"native:file={WEIGHTS}",
                  "wrapped": f"torchscript:file={self.path('net.pt')},prediction=eps,process='linear:T=1000',rescale=true,"
                             "channels=1"}
        numpy.save(self.path("x.npy"), (numpy.arange(2 * 32 * 32) % 251).astype(numpy.uint8).reshape(2, 32, 32))
        samples, bits = {}, {}
        for name, model in models.items():
            cell = ["--model", model, "--threads", "1"]
            samples[name] = []
            for sampler, schedule in (("heun", "edm"), ("ddpm:variance=learned", "even"), ("dpmpp-2m", "log-linear")):
                self.run_ok(PROGRAM, "sample", *cell, "--sampler", sampler, "--schedule", schedule, "--steps", 4, "--count", 2,
                            "--batch", 2, "--raw", "--output", self.path("s.npy"))
                samples[name].append(numpy.load(self.path("s.npy")))
            out = self.run_ok(PROGRAM, "likelihood", *cell, "--data", f"npy:file={self.path('x.npy')}", "--images", 1,
                              "--sigma-min", 1, "--rtol", 0.1, "--atol", 0.1, "--json")
            bits[name] = json.loads(out)
        for native, wrapped in zip(*samples.values()):
            self.assertGreater(numpy.abs(native).max(), 0.5)
            self.assertLess(numpy.abs(native - wrapped).max(), 1e-3)
        value = [b["bits_per_dim"] for b in bits.values()]
        self.assertLess(abs(value[0] - value[1]), 1e-3 * abs(value[0]), bits)

    def test_golden_file_of_a_module(self):
        golden = self.path("net.golden.safetensors")
        self.python("scripts/make_golden.py", "examples/unet.py:load", golden, "--argument", WEIGHTS, "--channels", 1,
                    "--tap", "act.t_emb=time_embed", "--tap", "act.mid=middle_block.2", "--float64")
        rows = json.loads(self.run_ok(PROGRAM, "verify", WEIGHTS, golden, "--json", "--threads", "1"))
        self.assertEqual({row["tensor"] for row in rows}, {"out", "out.f64", "act.t_emb", "act.mid"})
        self.assertTrue(all(row["ok"] for row in rows), rows)
        # Another network's weights are found out.
        self.python("scripts/make_golden.py", "examples/unet.py:load", golden, "--argument", WEIGHTS, "--channels", 1,
                    "--seed", 1)
        other = ROOT / "weights" / "fashion-edm.safetensors"
        result = subprocess.run([PROGRAM, "verify", str(other), golden], capture_output=True, text=True, check=False)
        self.assertNotEqual(result.returncode, 0)

    def test_golden_file_of_a_wrapper(self):
        pathlib.Path(self.path("net.py")).write_text(
            "import torch\n"
            "class Shrink(torch.nn.Module):\n"
            "    def forward(self, x, sigma, rows):\n"
            "        k = 0.25 / (0.25 + sigma ** 2)\n"
            "        return x * k[:, None, None, None] * rows.sum(1)[:, None, None, None]\n"
            "make = Shrink\n")
        golden = self.path("x.golden.safetensors")
        self.python("scripts/make_golden.py", self.path("net.py") + ":make", golden, "--edm", "EDMPrecond", "--classes", 3,
                    "--config", '{"img_resolution": 4}', "--size", 4, "--float64")
        about, tensors = safetensors_file.read(golden)
        self.assertEqual(json.loads(about["sections"]), {"EDMPrecond": {"class": "EDMPrecond", "img_resolution": 4}})

        def array(name):
            dtype, shape, data = tensors[name]
            return numpy.frombuffer(data, {"F32": "<f4", "F64": "<f8"}[dtype]).reshape(shape)

        sigma = array("EDMPrecond.sigma").astype(numpy.float64)[:, None, None, None]
        wanted = 0.25 / (0.25 + sigma ** 2) * array("EDMPrecond.x")
        self.assertLess(numpy.abs(array("EDMPrecond.D.f64") - wanted).max(), 1e-12)
        self.assertEqual(array("class_labels").sum(), 3)


if __name__ == "__main__":
    unittest.main()
