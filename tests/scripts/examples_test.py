#!/usr/bin/env python3
"""examples/ and make_golden.py with the built program: the repository's own U-Net, written a second time in Python, exported
as TorchScript and as an AOTInductor package, samples and has a likelihood as the native one; packages made for another
torch, device or processor are refused; a golden file made of it is verified. Skipped where this Python has no torch (CMake:
SCHEDBENCH_TORCH_PYTHON)."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import zipfile

import numpy

import safetensors_file

try:
    import torch
except ImportError:
    torch = None

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples"))
if torch:
    import unet
PROGRAM = os.environ.get("SCHEDBENCH_PROGRAM")
WEIGHTS = ROOT / "weights" / "fashion-hybrid.safetensors"
SAMPLERS = (("heun", "edm"), ("ddpm:variance=learned", "even"), ("dpmpp-2m", "log-linear"))
# Of one evaluation of the same network in another order of float32 operations, beside the level; and after a few steps,
# where x0 = x - sigma eps at the highest level, 157, has made such a difference larger by as much.
TOLERANCE, AFTER_STEPS = 1e-5, 1e-3


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

    def sampled(self, model, sampler, schedule, **sizes):
        size = {"steps": 4, "count": 2, "batch": 2, **sizes}
        self.run_ok(PROGRAM, "sample", "--model", model, "--threads", 1, "--sampler", sampler, "--schedule", schedule,
                    *(word for key, value in size.items() for word in (f"--{key}", value)), "--raw", "--output",
                    self.path("s.npy"))
        return numpy.load(self.path("s.npy")).astype(numpy.float64)

    def assert_same_samples(self, native, wrapped):
        cases = [("euler", f"edm:sigma-max={level}", 1, TOLERANCE * max(1, level)) for level in (0.1, 1, 10)]
        cases += [(sampler, schedule, 4, AFTER_STEPS) for sampler, schedule in SAMPLERS]
        for sampler, schedule, steps, tolerance in cases:
            a, b = (self.sampled(model, sampler, schedule, steps=steps) for model in (native, wrapped))
            self.assertGreater(numpy.abs(a).max(), 0.05)
            self.assertLess(numpy.abs(a - b).max(), tolerance, (wrapped, sampler, schedule))

    def test_torchscript(self):
        self.python("examples/export_torchscript.py", WEIGHTS, self.path("net.pt"))
        models = {"native": f"native:file={WEIGHTS}",
                  "wrapped": f"torchscript:file={self.path('net.pt')},prediction=eps,process='linear:T=1000',rescale=true,"
                             "channels=1"}
        numpy.save(self.path("x.npy"), (numpy.arange(2 * 32 * 32) % 251).astype(numpy.uint8).reshape(2, 32, 32))
        self.assert_same_samples(*models.values())
        bits = {}
        for name, model in models.items():
            cell = ["--model", model, "--threads", "1"]
            out = self.run_ok(PROGRAM, "likelihood", *cell, "--data", f"npy:file={self.path('x.npy')}", "--images", 1,
                              "--sigma-min", 1, "--rtol", 0.1, "--atol", 0.1, "--json")
            bits[name] = json.loads(out)
        value = [b["bits_per_dim"] for b in bits.values()]
        self.assertLess(abs(value[0] / value[1] - 1), AFTER_STEPS, bits)

    def test_aoti(self):
        # Small, because the C++ compiler is what takes the time.
        config = {"in_channels": 1, "model_channels": 32, "out_channels": 2, "num_res_blocks": 1, "attention_resolutions": [2],
                  "channel_mult": [1, 2], "num_classes": None, "num_heads": 2, "use_scale_shift_norm": True, "num_groups": 8,
                  "patch": 4}
        torch.manual_seed(1)
        weights, package = self.path("net.safetensors"), self.path("net.pt2")
        tensors = {name: ("F32", tuple(value.shape), value.numpy().tobytes())
                   for name, value in unet.UNet(config).state_dict().items()}
        safetensors_file.write(weights, tensors, {
            "family": "improved_diffusion.UNetModel", "prediction": "eps", "process": "linear:T=1000", "image_size": "16",
            "config": json.dumps(config)})
        self.python("examples/export_aoti.py", weights, package)
        native = f"native:file={weights},process='linear:T=1000'"
        wrapped = f"aoti:file={package},prediction=eps,process='linear:T=1000'"
        self.assert_same_samples(native, wrapped)
        # Any number of images; a program gives no derivatives, so its likelihood is the bound of a path.
        for count in (1, 5):
            a, b = (self.sampled(model, "heun", "edm", count=count, batch=count) for model in (native, wrapped))
            self.assertLess(numpy.abs(a - b).max(), AFTER_STEPS)
        numpy.save(self.path("x.npy"), (numpy.arange(4 * 16 * 16) % 251).astype(numpy.uint8).reshape(4, 16, 16))
        bits = []
        for i, model in enumerate((native, wrapped)):
            self.run_ok(PROGRAM, "statistics", "--model", model.replace("linear:T=1000", "cosine:T=30"), "--data",
                        f"npy:file={self.path('x.npy')}", "--threads", 1, "--clip", "false", "--output", self.path(f"s{i}.h5"))
            rows = json.loads(self.run_ok(PROGRAM, "bpd", "--statistics", self.path(f"s{i}.h5"), "--steps", "5,30", "--json"))
            bits.append(numpy.array([row["bits_per_dim"] for row in rows]))
        self.assertGreater(len(bits[0]), 3)
        self.assertLess(numpy.abs(bits[0] / bits[1] - 1).max(), TOLERANCE)
        refused = self.refusal("likelihood", "--model", wrapped, "--data", f"npy:file={self.path('x.npy')}", "--images", 1)
        self.assertIn("gives no derivatives", refused)
        self.check_foreign_packages(package)

    def refusal(self, *arguments):
        result = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        return result.stderr

    def check_foreign_packages(self, package):
        """Packages that were made for something else are refused with the reason, before their code is loaded."""
        with zipfile.ZipFile(package) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        about = [name for name in files if name.endswith("_metadata.json")]
        other = self.path("other.pt2")
        for changes, reason in (({"schedbench.torch": "2.1.0"}, "compiled by torch 2.1.0"),
                                ({"schedbench.device": "cuda"}, "compiled for the device cuda"),
                                ({"schedbench.cpu": "fpu sse2 avx9000 hypervisor7"}, "a processor with avx9000, which"),
                                ({"schedbench.inputs": "{}"}, "schedbench.inputs"),
                                ({"schedbench.torch": None}, "does not say what it was made for")):
            with zipfile.ZipFile(other, "w", zipfile.ZIP_STORED) as archive:
                for name, content in files.items():
                    if name in about:
                        known = {**json.loads(content), **changes}
                        content = json.dumps({key: value for key, value in known.items() if value is not None}).encode()
                    archive.writestr(name, content)
            self.assertIn(reason, self.refusal("sample", "--model", f"aoti:file={other}", "--output", self.path("x.png")))
        pathlib.Path(other).write_bytes(pathlib.Path(package).read_bytes()[:5000])
        self.assertIn("AOTInductor package", self.refusal("sample", "--model", f"aoti:file={other}", "--output",
                                                          self.path("x.png")))
        self.assertIn("no such", self.refusal("sample", "--model", "aoti:file=nowhere.pt2", "--output", self.path("x.png")))

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
