#!/usr/bin/env python3
"""convert_checkpoint.py network: files of torch made out of every golden network's weights, converted, compared with what
went in, and verified by the program against the golden activations. Where this Python has torch, torch writes the files;
where it has not, they are written here in the same two forms, and what needs modules of torch is skipped. CMake's
SCHEDBENCH_TORCH_PYTHON names a Python with torch."""
import collections
import hashlib
import json
import os
import pathlib
import pickle
import subprocess
import sys
import tempfile
import types
import unittest

import convert_checkpoint_test as written_here
import safetensors_file

try:
    import torch
except ImportError:
    torch = None

ROOT = pathlib.Path(__file__).resolve().parents[2]
NETS = pathlib.Path(os.environ.get("SCHEDBENCH_GOLDEN") or ROOT / "tests" / "golden") / "nets"
PROGRAM = os.environ.get("SCHEDBENCH_PROGRAM")
STATE_DICTS = ("improved_diffusion.UNetModel", "guided_diffusion.UNetModel", "pytorch_diffusion.Model")


def golden_networks(families):
    for path in sorted(NETS.glob("*.golden.safetensors")):
        weights = path.with_name(path.name.replace(".golden", ""))
        if weights.exists() and safetensors_file.read(path)[0].get("family") in families:
            yield weights, path


def state_dict(path):
    """Metadata, and name -> tensor: of torch, or one that can be written without it."""
    about, tensors = safetensors_file.read(path)
    state = collections.OrderedDict()
    for i, (name, (dtype, shape, data)) in enumerate(tensors.items()):
        if torch:
            kind = {"F32": torch.float32, "F16": torch.float16}[dtype]
            state[name] = torch.frombuffer(bytearray(data), dtype=kind).reshape(shape).clone()
        else:
            kind = {"F32": written_here.FloatStorage, "F16": written_here.HalfStorage}[dtype]
            state[name] = written_here.StoredTensor(kind(str(i), data), shape)
    return about, state


def save(state, path, legacy=False):
    if torch:
        torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    else:
        written_here.write_pth(path, state, legacy)


def elements(tensor):
    count = 1
    for size in tensor.shape:
        count *= size
    return count


# What EDM's torch_utils.persistence leaves in a pickle: a function's name, the module's source, the state.
persistence = types.ModuleType("torch_utils.persistence")


def _reconstruct_persistent_obj(meta):
    raise AssertionError("conversion must not run what a pickle names")


_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
persistence._reconstruct_persistent_obj = _reconstruct_persistent_obj
sys.modules.update({"torch_utils": types.ModuleType("torch_utils"), "torch_utils.persistence": persistence})


class Node(torch.nn.Module if torch else object):
    """A module as EDM pickles its own: with the source of its class."""
    kind, source = "Linear", "raise SystemExit('run')"

    def __reduce__(self):
        meta = {"type": "class", "version": 6, "module_src": self.source, "class_name": self.kind,
                "state": self.__dict__}
        return _reconstruct_persistent_obj, (meta,), None


def module_of(state, kind, arguments):
    """Nested modules with the names of a flat state dict."""
    root = Node()
    root.kind = kind
    root._init_args, root._init_kwargs = (), arguments
    for name, tensor in state.items():
        node, parts = root, name.split(".")
        for depth, part in enumerate(parts[:-1]):
            if part not in node._modules:
                holds = parts[depth] in ("enc", "dec")
                node._modules[part] = torch.nn.ModuleDict() if holds else Node()
            node = node._modules[part]
        if parts[-1] in ("resample_filter", "freqs", "u"):
            node.register_buffer(parts[-1], tensor)
        else:
            node._parameters[parts[-1]] = torch.nn.Parameter(tensor, requires_grad=False)
    root.register_buffer("scratch", torch.zeros(3), persistent=False)
    return root


class ConvertNetwork(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return str(pathlib.Path(self.folder.name) / name)

    def convert(self, *arguments, table=None):
        environment = dict(os.environ, **({"SCHEDBENCH_PUBLIC_FILES": table} if table else {}))
        return subprocess.run([sys.executable, "-B", str(ROOT / "scripts" / "convert_checkpoint.py"), "network",
                               *arguments], capture_output=True, text=True, check=False, env=environment)

    def same_network(self, target, weights, golden):
        """Same tensors as the golden weights, and the program finds them as far from the golden results."""
        self.assertEqual(safetensors_file.read(target)[1], safetensors_file.read(weights)[1])
        if not PROGRAM:
            return
        rows = [subprocess.run([PROGRAM, "verify", model, str(golden), "--json", "--threads", "1"],
                               capture_output=True, text=True, check=False) for model in (target, str(weights))]
        self.assertEqual(rows[0].returncode, 0, rows[0].stderr)
        self.assertEqual(rows[0].stdout, rows[1].stdout)

    def test_state_dicts(self):
        seen = set()
        for i, (weights, golden) in enumerate(golden_networks(STATE_DICTS)):
            about, state = state_dict(weights)
            with self.subTest(weights.name):
                source, target = self.path("net.pt"), self.path("net.safetensors")
                save(state, source, legacy=i % 2 == 1)
                result = self.convert(source, target, "--family", about["family"], "--config", about["config"],
                                      "--process", "linear:T=1000")
                self.assertEqual(result.returncode, 0, result.stderr)
                self.same_network(target, weights, golden)
                written = safetensors_file.read(target)[0]
                self.assertEqual(written["original_sha256"], hashlib.sha256(pathlib.Path(source).read_bytes()).hexdigest())
                self.assertEqual(json.loads(written["config"]), json.loads(about["config"]))
                self.assertEqual((written["process"], written["rescale_timesteps"]), ("linear:T=1000", "false"))
                seen.add(about["family"])
        self.assertEqual(seen, set(STATE_DICTS))

    @unittest.skipUnless(torch, "this Python has no torch: give CMake SCHEDBENCH_TORCH_PYTHON")
    def test_edm_pickles(self):
        seen = 0
        for weights, golden in golden_networks(("edm.precond",)):
            about, state = state_dict(weights)
            config = json.loads(about["config"])
            arguments = {k: float("inf") if v == "inf" else v for k, v in config.items() if k != "class"}
            with self.subTest(weights.name):
                source, target = self.path("net.pkl"), self.path("net.safetensors")
                snapshot = {"ema": module_of(state, config["class"], arguments), "loss_fn": Node(),
                            "when": collections.Counter(a=1), "where": pathlib.PurePosixPath("x")}
                pathlib.Path(source).write_bytes(pickle.dumps(snapshot))
                result = self.convert(source, target)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.same_network(target, weights, golden)
                written = safetensors_file.read(target)[0]
                self.assertEqual(json.loads(written["config"]), config)
                seen += 1
        self.assertGreater(seen, 0)

    def test_published_networks_are_known(self):
        weights, golden = next(golden_networks(("guided_diffusion.UNetModel",)))
        about, state = state_dict(weights)
        count = sum(map(elements, state.values()))
        row = {"name": "toy", "kind": "weights", "file": "toy.pt", "url": "https://example.org/toy.pt", "sha256": None,
               "licence": "none", "convert": "network", "family": about["family"], "process": "cosine:T=1000",
               "rescale_timesteps": False, "image_size": 16, "parameters": count, "tensors": len(state),
               "config": json.loads(about["config"])}
        table, target = self.path("table.json"), self.path("toy.safetensors")
        pathlib.Path(table).write_text(json.dumps({"files": [row]}))
        for name in ("toy.pt", "renamed.pt"):
            save(state, self.path(name))
            result = self.convert(self.path(name), target, table=table)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.same_network(target, weights, golden)
            written = safetensors_file.read(target)[0]
            self.assertEqual([written[k] for k in ("architecture", "source", "licence", "process", "original_file")],
                             ["toy", row["url"], "none", "cosine:T=1000", name])
        other = dict(row, name="other", process="linear:T=1000")
        pathlib.Path(table).write_text(json.dumps({"files": [row, other]}))
        result = self.convert(self.path("renamed.pt"), target, table=table)
        self.assertIn("could be any of toy, other", result.stderr)
        result = self.convert(self.path("renamed.pt"), target, "--name", "other", table=table)
        self.assertEqual(safetensors_file.read(target)[0]["process"], "linear:T=1000", result.stderr)
        state.popitem()
        save(state, self.path("toy.pt"))
        self.assertIn(f"but toy has {count:,}", self.convert(self.path("toy.pt"), target, table=table).stderr)

    @unittest.skipUnless(torch, "this Python has no torch: give CMake SCHEDBENCH_TORCH_PYTHON")
    def test_refusals(self):
        source, target = self.path("x.pt"), self.path("x.safetensors")

        def refused(words, value, *arguments, suffix="x.pt"):
            torch.save(value, self.path(suffix))
            result = self.convert(self.path(suffix), target, *arguments)
            self.assertEqual(result.returncode, 2, result.stdout)
            self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
            self.assertIn(words, result.stderr)
            self.assertFalse(pathlib.Path(target).exists())

        state = {"time_embed.0.weight": torch.zeros(4, 2)}
        refused("is no published network (8 parameters in 1 tensors): give --family, --config, --process", state)
        refused("lacks temb.dense.0.weight", state, "--family", "pytorch_diffusion.Model", "--config", "{}", "--process",
                "linear")
        refused("--config is not JSON", state, "--family", "improved_diffusion.UNetModel", "--config", "{", "--process",
                "linear")
        refused("--key may be one of state_dict", {"state_dict": state, "step": 3})
        torch.save({"state_dict": state}, source)
        result = self.convert(source, target, "--key", "state_dict", "--family", "improved_diffusion.UNetModel", "--config",
                              "{}", "--process", "linear")
        self.assertEqual(result.returncode, 0, result.stderr)
        pathlib.Path(target).unlink()
        for name, value in (("bare", {"model": 1}), ("moved", {"ema": {"a": 1}})):
            pathlib.Path(self.path(name + ".pkl")).write_bytes(pickle.dumps(value))
            self.assertIn("holds no network", self.convert(self.path(name + ".pkl"), target).stderr)
        whole = pickle.dumps({"ema": module_of(state, "EDMPrecond", {"label_dim": 0})})
        pathlib.Path(self.path("cut.pkl")).write_bytes(whole[:-40])
        self.assertEqual(self.convert(self.path("cut.pkl"), target).returncode, 2)


if __name__ == "__main__":
    unittest.main()
