#!/usr/bin/env python3
"""convert_checkpoint.py: .pth files in both of torch's forms, made here out of the synthetic weights without torch."""
import collections
import hashlib
import importlib.util
import io
import json
import pathlib
import pickle
import struct
import subprocess
import sys
import tempfile
import types
import unittest
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "metrics"


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Just enough of torch for its names to stand in a pickle.
torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")


class FloatStorage:
    def __init__(self, key, data):
        self.key, self.data = key, data


class LongStorage(FloatStorage):
    pass


class HalfStorage(FloatStorage):
    pass


SIZES = {FloatStorage: 4, LongStorage: 8, HalfStorage: 2}


def _rebuild_tensor_v2(*_):
    raise AssertionError("only its name is needed")


for stand_in, module in ((FloatStorage, torch), (LongStorage, torch), (HalfStorage, torch), (_rebuild_tensor_v2, utils)):
    stand_in.__module__ = module.__name__
    stand_in.__qualname__ = stand_in.__name__
    setattr(module, stand_in.__name__, stand_in)
torch._utils = utils


class StoredTensor:
    def __init__(self, storage, shape, offset=0):
        self.storage, self.shape, self.offset = storage, tuple(shape), offset

    def __reduce__(self):
        stride, step = [], 1
        for size in reversed(self.shape):
            stride.insert(0, step)
            step *= size
        return _rebuild_tensor_v2, (self.storage, self.offset, self.shape, tuple(stride), False,
                                    collections.OrderedDict())


class Writer(pickle.Pickler):
    legacy = False

    def persistent_id(self, value):
        if not isinstance(value, FloatStorage):
            return None
        size = SIZES[type(value)]
        head = ("storage", type(value), value.key, "cpu", len(value.data) // size)
        return head + (None,) if self.legacy else head


def pickled(value, legacy):
    out = io.BytesIO()
    writer = Writer(out, protocol=2)
    writer.legacy = legacy
    kept = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
    sys.modules.update({"torch": torch, "torch._utils": utils})
    try:
        writer.dump(value)
    finally:
        for name, module in kept.items():
            sys.modules.pop(name) if module is None else sys.modules.update({name: module})
    return out.getvalue()


def write_pth(path, state, legacy):
    storages = [t.storage for t in state.values() if isinstance(t, StoredTensor)]
    if not legacy:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickled(state, False))
            archive.writestr("archive/byteorder", "little")
            for s in storages:
                archive.writestr(f"archive/data/{s.key}", s.data)
        return
    with open(path, "wb") as file:
        for value in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True}):
            file.write(pickle.dumps(value, protocol=2))
        file.write(pickled(state, True))
        order = sorted(storages, key=lambda s: s.key)
        file.write(pickle.dumps([s.key for s in order], protocol=2))
        for s in order:
            file.write(struct.pack("<q", len(s.data) // SIZES[type(s)]) + s.data)


def state_of(tensors):
    state = collections.OrderedDict()
    for i, (name, array) in enumerate(tensors.items()):
        state[name] = StoredTensor(FloatStorage(str(1000 + i), array.tobytes()), array.shape)
    state["Conv2d_1a_3x3.bn.num_batches_tracked"] = StoredTensor(LongStorage("7", bytes(8)), ())
    return state


class ConvertCheckpoint(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tensors = load("gen_inception_weights", GOLDEN / "gen_inception_weights.py").all_tensors()
        cls.folder = tempfile.TemporaryDirectory()

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def path(self, name):
        return str(pathlib.Path(self.folder.name) / name)

    def convert(self, source, target="out.safetensors", network="inception"):
        return subprocess.run([sys.executable, "-B", str(ROOT / "scripts" / "convert_checkpoint.py"), network, source,
                               self.path(target)], capture_output=True, text=True, check=False)

    def refused(self, state, words, legacy=False, network="inception"):
        write_pth(self.path("bad.pth"), state, legacy)
        result = self.convert(self.path("bad.pth"), "bad.safetensors", network)
        self.assertEqual(result.returncode, 2, result.stdout)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertIn(words, result.stderr)
        self.assertFalse(pathlib.Path(self.path("bad.safetensors")).exists())

    def test_both_forms(self):
        expected = json.loads((GOLDEN / "inception_weights.json").read_text())
        for legacy in (False, True):
            with self.subTest(legacy=legacy):
                source = self.path("weights.pth")
                write_pth(source, state_of(self.tensors), legacy)
                result = self.convert(source)
                self.assertEqual(result.returncode, 0, result.stderr)
                blob = pathlib.Path(self.path("out.safetensors")).read_bytes()
                size = struct.unpack("<Q", blob[:8])[0]
                head = json.loads(blob[8:8 + size])
                about = head.pop("__metadata__")
                self.assertEqual(about["architecture"], "inception-2015-12-05")
                self.assertEqual(about["original_sha256"], hashlib.sha256(pathlib.Path(source).read_bytes()).hexdigest())
                self.assertEqual(set(about), {"architecture", "source", "licence", "original_sha256"})
                self.assertEqual({k: (v["dtype"], v["shape"]) for k, v in head.items()},
                                 {k: ("F32", list(a.shape)) for k, a in self.tensors.items()})
                self.assertEqual([v["data_offsets"][0] for v in head.values()],
                                 [0] + [v["data_offsets"][1] for v in head.values()][:-1])
                self.assertEqual(hashlib.sha256(blob[8 + size:]).hexdigest(),
                                 expected["tensor_data_sha256_in_name_order"])
                self.assertIn("not the published file", result.stdout)

    def test_refusals(self):
        good = {k: v for k, v in self.tensors.items() if v.size < 5000}
        state = state_of(good)
        self.refused(state, "lacks ")
        self.refused(collections.OrderedDict(state, extra=3), "no plain state dict")
        self.refused(collections.OrderedDict(state, extra=pathlib.PurePosixPath("x")), "holds an object of pathlib")
        torchvision = collections.OrderedDict(state)
        torchvision["fc.weight"] = StoredTensor(FloatStorage("5", bytes(4 * 1000 * 2048)), (1000, 2048))
        self.refused(torchvision, "torchvision's ImageNet classifier", legacy=True)
        short = collections.OrderedDict(state)
        short["fc.bias"] = StoredTensor(FloatStorage("5", bytes(4)), (1008,))
        self.refused(short, "beyond its storage")

    def test_dinov2(self):
        def state(depth, width=384):
            shapes = {"cls_token": (1, 1, width), "pos_embed": (1, 2, width), "patch_embed.proj.weight": (width, 3, 1, 1),
                      "norm.weight": (width,)}
            for i in range(depth):
                shapes.update({f"blocks.{i}.attn.qkv.weight": (3, width), f"blocks.{i}.ls1.gamma": (width,)})
            out = collections.OrderedDict()
            for key, (name, shape) in enumerate(shapes.items()):
                count = 1
                for size in shape:
                    count *= size
                data = struct.pack(f"<{count}f", *(key + 0.25 * i for i in range(count)))
                out[name] = StoredTensor(FloatStorage(str(key), data), shape)
            return out

        for depth, name in ((12, "dinov2_vits14"), (3, "a DINOv2 of unpublished size")):
            write_pth(self.path("dino.pth"), state(depth), False)
            result = self.convert(self.path("dino.pth"), network="dinov2")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn(name, result.stdout)
            blob = pathlib.Path(self.path("out.safetensors")).read_bytes()
            size = struct.unpack("<Q", blob[:8])[0]
            head = json.loads(blob[8:8 + size])
            self.assertEqual(head.pop("__metadata__")["architecture"], name)
            begin, end = head["norm.weight"]["data_offsets"]
            self.assertEqual(blob[8 + size + begin:8 + size + end], state(depth)["norm.weight"].storage.data)
        other = StoredTensor(FloatStorage("99", bytes(4)), (1,))
        self.refused(collections.OrderedDict(state(1), register_tokens=other), "register tokens", network="dinov2")
        self.refused(collections.OrderedDict(state(1), **{"blocks.0.mlp.w12.weight": other}), "SwiGLU", network="dinov2")
        self.refused(state(0), "lacks blocks.0.attn.qkv.weight", network="dinov2")

    def test_damaged_files(self):
        write_pth(self.path("whole.pth"), state_of({k: v for k, v in self.tensors.items() if v.size < 5000}), True)
        blob = pathlib.Path(self.path("whole.pth")).read_bytes()
        for name, data in (("empty", b""), ("text", b"not a weight file\n"), ("cut", blob[:-100]), ("half", blob[:2000]),
                           ("zip", b"PK\x03\x04" + bytes(100))):
            with self.subTest(name):
                pathlib.Path(self.path(name)).write_bytes(data)
                result = self.convert(self.path(name), "bad.safetensors")
                self.assertEqual(result.returncode, 2)
                self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertEqual(self.convert(self.path("nowhere.pth")).returncode, 2)


if __name__ == "__main__":
    unittest.main()
