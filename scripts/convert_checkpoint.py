#!/usr/bin/env python3
"""Converts weight files of other programs into safetensors files that schedbench reads.

usage: scripts/convert_checkpoint.py inception IN.pth OUT.safetensors

inception   the 2015 Inception network under the Frechet inception distance, as pytorch-fid
            (pt_inception-2015-12-05-6726825d.pth) and torch-fidelity (weights-inception-2015-12-05-6726825d.pth)
            publish it: two names of the same file. Then: --extractor inception:file=OUT.safetensors,pipeline=tf1

Needs Python 3.8 or newer and nothing else. A .pth file is a pickle, which may run code when it is read in the usual way;
here it is taken apart by a reader that knows tensors, dictionaries and numbers, and refuses all else.
"""
import argparse
import collections
import hashlib
import io
import json
import os
import pickle
import struct
import sys
import zipfile

# Storage class of torch -> dtype of safetensors, bytes an element.
STORAGES = {"FloatStorage": ("F32", 4), "DoubleStorage": ("F64", 8), "HalfStorage": ("F16", 2),
            "BFloat16Storage": ("BF16", 2), "LongStorage": ("I64", 8), "IntStorage": ("I32", 4),
            "ByteStorage": ("U8", 1), "BoolStorage": ("BOOL", 1)}
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001


class BadFile(Exception):
    """What is wrong with a file, in one line."""


class StorageKind:
    """Stands for torch.FloatStorage and its kin."""

    def __init__(self, name):
        self.dtype, self.size = STORAGES[name]


class Tensor:
    """A tensor as the pickle describes it: a view of the storage `key`."""

    def __init__(self, storage, offset, shape, stride, *_):
        self.kind, self.key, self.count = storage
        self.offset, self.shape, self.stride = offset, tuple(shape), tuple(stride)

    def elements(self):
        count = 1
        for size in self.shape:
            count *= size
        return count

    def bytes_of(self, storage, name):
        """Row-major bytes, out of the bytes of the storage."""
        expected = 1
        for size, stride in zip(reversed(self.shape), reversed(self.stride)):
            if size > 1 and stride != expected:
                raise BadFile(f'tensor "{name}" is not stored row by row (stride {list(self.stride)})')
            expected *= size
        start, end = self.offset * self.kind.size, (self.offset + self.elements()) * self.kind.size
        if self.offset < 0 or end > len(storage):
            raise BadFile(f'tensor "{name}" reaches beyond its storage: the file is damaged')
        return storage[start:end]


def same(value, *_):
    return value


class Reader(pickle.Unpickler):
    """Unpickles what a state dict is made of, and nothing else."""

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch._utils" and name in ("_rebuild_tensor_v2", "_rebuild_tensor"):
            return Tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return same
        if module == "torch" and name in STORAGES:
            return StorageKind(name)
        raise BadFile(f"holds an object of {module}.{name}; a plain state dict is expected")

    def persistent_load(self, pid):
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage" or not isinstance(pid[1], StorageKind):
            raise BadFile("names a storage in a way that torch does not")
        return pid[1], str(pid[2]), pid[4]


def read_zip(file):
    """The form of torch 1.6 and newer: NAME/data.pkl and NAME/data/KEY."""
    archive = zipfile.ZipFile(file)
    names = archive.namelist()
    pickles = [n for n in names if n.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise BadFile("is a zip file without a data.pkl")
    folder = pickles[0][: -len("data.pkl")]
    if folder + "constants.pkl" in names:
        raise BadFile("is a TorchScript program, not a state dict")
    if folder + "byteorder" in names and archive.read(folder + "byteorder") != b"little":
        raise BadFile("is big-endian")
    state = Reader(io.BytesIO(archive.read(pickles[0]))).load()
    return state, lambda tensor: archive.read(f"{folder}data/{tensor.key}")


def read_legacy(file):
    """The form before torch 1.6: five pickles, then each storage as a count and its elements."""
    if Reader(file).load() != LEGACY_MAGIC or Reader(file).load() != LEGACY_PROTOCOL:
        raise BadFile("is no torch file")
    if not Reader(file).load().get("little_endian", True):
        raise BadFile("is big-endian")
    state = Reader(file).load()
    keys = [str(key) for key in Reader(file).load()]
    sizes = {t.key: t.kind.size for t in state.values() if isinstance(t, Tensor)}
    storages = {}
    for key in keys:
        if key not in sizes:
            raise BadFile(f"storage {key} belongs to no tensor")
        head = file.read(8)
        count = struct.unpack("<q", head)[0] if len(head) == 8 else -1
        data = file.read(count * sizes[key]) if count >= 0 else b""
        if count < 0 or len(data) != count * sizes[key]:
            raise BadFile("is cut short")
        storages[key] = data
    return state, lambda tensor: storages[tensor.key]


def read_state_dict(path):
    """name -> (dtype, shape, bytes) of a .pth file, in either form."""
    with open(path, "rb") as file:
        start = file.read(4)
        file.seek(0)
        try:
            state, storage_of = read_zip(file) if start == b"PK\x03\x04" else read_legacy(file)
            if not isinstance(state, dict) or not all(
                    isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
                raise BadFile("holds no plain state dict: a dictionary of tensors is expected")
            return {name: (t.kind.dtype, t.shape, t.bytes_of(storage_of(t), name)) for name, t in state.items()}
        except BadFile:
            raise
        except (pickle.UnpicklingError, zipfile.BadZipFile, KeyError, EOFError, AttributeError, IndexError, TypeError,
                ValueError, MemoryError, struct.error, UnicodeDecodeError) as error:
            raise BadFile(f"is no torch file, or a damaged one ({type(error).__name__}: {error})") from error


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def write_safetensors(path, tensors, metadata):
    """In name order, so that equal input gives equal bytes; through a temporary file and a rename."""
    head, position = {"__metadata__": dict(sorted(metadata.items()))}, 0
    for name in sorted(tensors):
        dtype, shape, data = tensors[name]
        head[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [position, position + len(data)]}
        position += len(data)
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".part", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(tensors):
            file.write(tensors[name][2])
    os.replace(path + ".part", path)


def check_inception(tensors):
    """Tells the published network from its look-alikes; the program checks every name and shape when it reads it."""
    if "fc.weight" in tensors and tensors["fc.weight"][1] == (1000, 2048):
        raise BadFile("is torchvision's ImageNet classifier (1000 classes), not the 2015 network (1008): distances under "
                      "it are no FID")
    missing = [name for name in ("Conv2d_1a_3x3.conv.weight", "Mixed_5b.branch5x5_1.bn.running_var",
                                 "Mixed_7c.branch_pool.conv.weight", "fc.weight", "fc.bias") if name not in tensors]
    if missing:
        raise BadFile("lacks " + ", ".join(missing) + ": is it pytorch-fid's file?")
    if len(tensors) != 472 or tensors["fc.weight"][1] != (1008, 2048):
        raise BadFile(f"holds {len(tensors)} tensors and fc.weight {list(tensors['fc.weight'][1])}; the 2015 network has "
                      "472 and [1008, 2048]")


def convert_inception(source, target):
    tensors = {name: t for name, t in read_state_dict(source).items() if not name.endswith(".num_batches_tracked")}
    check_inception(tensors)
    original = sha256_of(source)
    published = original.startswith("6726825d")  # these files are named after their own hash
    write_safetensors(target, tensors, {
        "architecture": "inception-2015-12-05",
        "source": "pt_inception-2015-12-05-6726825d.pth" if published else os.path.basename(source),
        "licence": "Apache-2.0 (TensorFlow's inception-2015-12-05)" if published else "as the source",
        "original_sha256": original,
    })
    print(f"{source}: sha256 {original}" + (" (the published network)" if published else
                                            " (not the published file, whose hash begins with 6726825d)"))
    print(f"{target}: {len(tensors)} tensors, sha256 {sha256_of(target)}")


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="NETWORK")
    inception = commands.add_parser("inception", help="the 2015 Inception network (pytorch-fid, torch-fidelity)")
    inception.add_argument("source", metavar="IN.pth")
    inception.add_argument("target", metavar="OUT.safetensors")
    inception.set_defaults(run=lambda options: convert_inception(options.source, options.target))
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except BadFile as error:
        print(f"convert_checkpoint: error: {options.source}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"convert_checkpoint: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
