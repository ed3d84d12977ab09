#!/usr/bin/env python3
"""Converts weight files of other programs into safetensors files that schedbench reads.

usage: scripts/convert_checkpoint.py inception IN.pth OUT.safetensors
       scripts/convert_checkpoint.py dinov2 IN.pth OUT.safetensors
       scripts/convert_checkpoint.py network IN.{pt,pth,ckpt,pkl} OUT.safetensors [--name NAME] [--family FAMILY
           --config JSON --process SPEC --rescale-timesteps --image-size N] [--key KEY]

inception   the 2015 Inception network under the Frechet inception distance, as pytorch-fid
            (pt_inception-2015-12-05-6726825d.pth) and torch-fidelity (weights-inception-2015-12-05-6726825d.pth)
            publish it: two names of the same file. Then: --extractor inception:file=OUT.safetensors,pipeline=tf1

dinov2      DINOv2 without registers, as published (dinov2_vitl14_pretrain.pth and the smaller ones). Then:
            --extractor dinov2:file=OUT.safetensors,pipeline=edm2

network     a diffusion network: a state dict of improved-diffusion, guided-diffusion or pytorch_diffusion, or a pickle of
            EDM. Published files are known by name, or else by family, names of tensors and number of parameters
            (public_files.json), and their flags filled in. For others give --family improved_diffusion.UNetModel,
            guided_diffusion.UNetModel or pytorch_diffusion.Model, --config (the constructor's arguments as JSON) and
            --process, as cosine:T=4000. An EDM pickle says all of this itself. Then: --model native:file=OUT.safetensors

Needs Python 3.8 or newer and nothing else, neither torch nor EDM's code. These files are pickles, which may run code when
they are read in the usual way, and EDM's bring their own source; here they are taken apart by a reader that knows tensors,
dictionaries and numbers. State dicts with anything else are refused; in EDM pickles the rest is left unread, never run.
"""
import argparse
import collections
import contextlib
import hashlib
import io
import json
import os
import pickle
import struct
import sys
import zipfile

import feature_networks
import public_files

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

    data = None  # the storage's bytes, where the pickle holds them itself

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

    def __init__(self, file):
        super().__init__(file)
        self.kinds = {}  # of the storages named so far

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
        self.kinds[str(pid[2])] = pid[1]
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
    reader = Reader(file)
    state = reader.load()
    keys = [str(key) for key in Reader(file).load()]
    storages = {}
    for key in keys:
        if key not in reader.kinds:
            raise BadFile(f"storage {key} belongs to no tensor")
        size = reader.kinds[key].size
        head = file.read(8)
        count = struct.unpack("<q", head)[0] if len(head) == 8 else -1
        data = file.read(count * size) if count >= 0 else b""
        if count < 0 or len(data) != count * size:
            raise BadFile("is cut short")
        storages[key] = data
    return state, lambda tensor: storages[tensor.key]


class Inert:
    """Stands for an object of any class, whose code is not run: keeps what it is said to hold."""

    def __init__(self, *arguments, **_):
        self.arguments, self.state, self.items = arguments, {}, {}

    def __setstate__(self, state):
        self.state = state

    def __setitem__(self, key, value):
        self.items[key] = value

    def append(self, _):
        pass

    def extend(self, _):
        pass


class PersistentObject(Inert):
    """An object of EDM's torch_utils.persistence: its class's name and state; its source is left unread."""

    def __init__(self, meta):
        super().__init__()
        meta = plain(meta)
        self.class_name, self.state = meta.get("class_name"), plain(meta.get("state"))


def plain(value):
    """A dictionary out of one, or out of an object of a class derived from dict."""
    return value.items if isinstance(value, Inert) else value if isinstance(value, dict) else {}


class EdmReader(Reader):
    """Unpickles tensors and the arguments and names that say how they belong together; runs nothing."""

    def find_class(self, module, name):
        if module.split(".")[-1] == "persistence" and name == "_reconstruct_persistent_obj":
            return PersistentObject
        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return self.storage_of
        if module == "builtins" and name in ("set", "frozenset", "list", "dict", "tuple", "slice", "bytearray"):
            return {"set": set, "frozenset": frozenset, "list": list, "dict": dict, "tuple": tuple, "slice": slice,
                    "bytearray": bytearray}[name]
        try:
            found = super().find_class(module, name)
        except BadFile:
            return type(name, (Inert,), {})
        return self.tensor_of if found is Tensor else found

    @staticmethod
    def storage_of(data):
        """A storage that was written by torch.save into the pickle."""
        (kind, key, count), read = read_legacy(io.BytesIO(data))
        holder = Tensor((kind, key, count), 0, (count,), (1,))
        return kind, key, count, read(holder)

    @staticmethod
    def tensor_of(storage, offset, shape, stride, *_):
        tensor = Tensor(storage[:3], offset, shape, stride)
        tensor.data = storage[3] if len(storage) > 3 else None
        return tensor


def module_tensors(module, prefix=""):
    """Parameters and persistent buffers of a torch module, by their names in its state dict."""
    state = plain(module.state)
    found = {}
    unsaved = state.get("_non_persistent_buffers_set", ())
    for group in ("_parameters", "_buffers"):
        for name, tensor in plain(state.get(group)).items():
            if isinstance(tensor, Tensor) and not (group == "_buffers" and name in unsaved):
                if tensor.data is None:
                    raise BadFile(f'holds no data of tensor "{prefix}{name}"')
                found[prefix + name] = (tensor.kind.dtype, tensor.shape, tensor.bytes_of(tensor.data, prefix + name))
    for name, child in plain(state.get("_modules")).items():
        if isinstance(child, Inert):
            found.update(module_tensors(child, prefix + name + "."))
    return found


def read_edm(path):
    """(name -> (dtype, shape, bytes), class, constructor arguments) of the network in an EDM pickle."""
    with open(path, "rb") as file, reading():
        snapshot = EdmReader(file).load()
    network = snapshot if isinstance(snapshot, Inert) else plain(snapshot).get("ema")
    if not isinstance(network, PersistentObject):
        raise BadFile('holds no network "ema" as EDM pickles them')
    if network.state.get("_init_args"):
        raise BadFile("was constructed with positional arguments, whose names it does not say")
    arguments = plain(network.state.get("_init_kwargs"))
    if not arguments:
        raise BadFile("does not say the constructor's arguments (an old pickle?)")
    return module_tensors(network), network.class_name, arguments


@contextlib.contextmanager
def reading():
    try:
        yield
    except BadFile:
        raise
    except (pickle.UnpicklingError, zipfile.BadZipFile, KeyError, EOFError, AttributeError, IndexError, TypeError,
            ValueError, MemoryError, struct.error, UnicodeDecodeError) as error:
        raise BadFile(f"is no torch file, or a damaged one ({type(error).__name__}: {error})") from error


def read_state_dict(path, key=None):
    """name -> (dtype, shape, bytes) of a .pth file, in either form; `key`: of the state dict inside a dictionary."""
    with open(path, "rb") as file:
        start = file.read(4)
        file.seek(0)
        with reading():
            state, storage_of = read_zip(file) if start == b"PK\x03\x04" else read_legacy(file)
            if key is not None:
                if not isinstance(state, dict) or not isinstance(state.get(key), dict):
                    raise BadFile(f'holds no dictionary "{key}"')
                state = state[key]
            if not isinstance(state, dict) or not all(
                    isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
                inside = [k for k, v in state.items() if isinstance(v, dict)] if isinstance(state, dict) else []
                raise BadFile("holds no plain state dict: a dictionary of tensors is expected" +
                              (f"; --key may be one of {', '.join(map(str, inside))}" if inside else ""))
            return {name: (t.kind.dtype, t.shape, t.bytes_of(storage_of(t), name)) for name, t in state.items()}


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


def refuse(complaint):
    if complaint:
        raise BadFile(complaint)


def convert_inception(source, target):
    tensors = {name: t for name, t in read_state_dict(source).items() if not name.endswith(".num_batches_tracked")}
    refuse(feature_networks.not_inception(tensors))
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


def convert_dinov2(source, target):
    tensors = read_state_dict(source)
    refuse(feature_networks.not_dinov2(tensors))
    name, original = feature_networks.dinov2_name(tensors), sha256_of(source)
    write_safetensors(target, tensors, {"architecture": name, "source": os.path.basename(source),
                                        "licence": "as the source (Apache-2.0 for the official weights)",
                                        "original_sha256": original})
    print(f"{source}: {name}, sha256 {original}")
    print(f"{target}: {len(tensors)} tensors, sha256 {sha256_of(target)}")


# One tensor that only this family has, and its place among its kin.
MARKS = {"improved_diffusion.UNetModel": "time_embed.0.weight", "guided_diffusion.UNetModel": "time_embed.0.weight",
         "pytorch_diffusion.Model": "temb.dense.0.weight"}


def parameters_of(tensors):
    total = 0
    for _, shape, _ in tensors.values():
        count = 1
        for size in shape:
            count *= size
        total += count
    return total


def known_network(source, tensors, name):
    """The published network that this is: by name, or by its tensors; None if it is none, or could be several of which
    the flags differ."""
    networks = [e for e in public_files.entries("weights") if e.get("config")]
    count = parameters_of(tensors)
    if name is not None:
        chosen = [e for e in networks if e["name"] == name]
        if not chosen:
            raise BadFile(f'cannot be "{name}": known are {", ".join(e["name"] for e in networks)}')
    else:
        base = os.path.basename(source)
        chosen = [e for e in networks if base in (e["file"], e["name"] + ".safetensors")]
    if chosen:
        entry = chosen[0]
        if (count, len(tensors)) != (entry["parameters"], entry["tensors"]):
            raise BadFile(f'holds {count:,} parameters in {len(tensors)} tensors, but {entry["name"]} has '
                          f'{entry["parameters"]:,} in {entry["tensors"]}')
        return entry
    alike = [e for e in networks if (e["parameters"], e["tensors"]) == (count, len(tensors)) and MARKS[e["family"]] in tensors]
    flags = {json.dumps([e[k] for k in ("family", "process", "rescale_timesteps", "image_size")] +
                        [{k: v for k, v in e["config"].items() if k != "dropout"}]) for e in alike}
    if len(flags) > 1:
        raise BadFile("could be any of " + ", ".join(e["name"] for e in alike) + ": give --name")
    if len(alike) > 1:  # one architecture, several files: which of them this is, cannot be told
        return dict(alike[0], name=" or ".join(e["name"] for e in alike), url=os.path.basename(source))
    return alike[0] if alike else None


def jsonable(value):
    """Constructor arguments as JSON has them: infinity as text."""
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return "inf" if value > 0 else "-inf"
    if isinstance(value, (list, tuple)):
        return [jsonable(v) for v in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise BadFile(f"has a constructor argument of an unknown kind ({type(value).__name__})")


def edm_metadata(options):
    tensors, name, arguments = read_edm(options.source)
    config = {"class": name, **{k: jsonable(v) for k, v in arguments.items() if k != "class_name"}}
    entry = next((e for e in public_files.entries("weights") if e["file"] == os.path.basename(options.source)), None)
    return tensors, entry, {"family": "edm.precond", "config": json.dumps(config)}


def state_dict_metadata(options):
    tensors = read_state_dict(options.source, options.key)
    given = {k: v for k, v in (("family", options.family), ("config", options.config), ("process", options.process))
             if v is not None}
    entry = known_network(options.source, tensors, options.name) if not given else None
    if entry:
        print(f'{options.source}: {entry["name"]}, {parameters_of(tensors):,} parameters in {len(tensors)} tensors')
        return tensors, entry, {"family": entry["family"], "config": json.dumps(entry["config"]),
                                "process": entry["process"], "prediction": "eps",
                                "rescale_timesteps": str(entry["rescale_timesteps"]).lower(),
                                "image_size": str(entry["image_size"])}
    missing = [f"--{k}" for k in ("family", "config", "process") if k not in given]
    if missing:
        raise BadFile(f"is no published network ({parameters_of(tensors):,} parameters in {len(tensors)} tensors): give "
                      + ", ".join(missing))
    if options.family not in MARKS:
        raise BadFile(f'cannot be of the family "{options.family}": known are {", ".join(MARKS)}')
    if MARKS[options.family] not in tensors:
        raise BadFile(f'is not of the family {options.family}: it lacks {MARKS[options.family]}')
    try:
        config = json.loads(options.config)
    except json.JSONDecodeError as error:
        raise BadFile(f"--config is not JSON ({error})") from error
    size = options.image_size or config.get("image_size") or config.get("resolution") or 32
    return tensors, None, {"family": options.family, "config": json.dumps(config), "process": options.process,
                           "prediction": "eps", "rescale_timesteps": str(options.rescale_timesteps).lower(),
                           "image_size": str(size)}


def convert_network(options):
    with open(options.source, "rb") as file:
        start = file.read(2)
    # Torch's legacy form is a row of pickles too, and begins with a number: EDM's begins with a dictionary or object.
    edm = options.source.endswith(".pkl") and start != b"PK"
    tensors, entry, metadata = edm_metadata(options) if edm else state_dict_metadata(options)
    if not tensors:
        raise BadFile("holds no tensors")
    metadata.update({
        "architecture": entry["name"] if entry else metadata["family"],
        "source": entry["url"] if entry else os.path.basename(options.source),
        "licence": entry["licence"] if entry else "as the source",
        "original_file": os.path.basename(options.source),
        "original_sha256": sha256_of(options.source),
    })
    write_safetensors(options.target, tensors, metadata)
    print(f"{options.source}: sha256 {metadata['original_sha256']}")
    print(f"{options.target}: {metadata['family']}, {parameters_of(tensors):,} parameters in {len(tensors)} tensors, "
          f"sha256 {sha256_of(options.target)}")


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="NETWORK")
    inception = commands.add_parser("inception", help="the 2015 Inception network (pytorch-fid, torch-fidelity)")
    inception.add_argument("source", metavar="IN.pth")
    inception.add_argument("target", metavar="OUT.safetensors")
    inception.set_defaults(run=lambda options: convert_inception(options.source, options.target))
    dinov2 = commands.add_parser("dinov2", help="DINOv2 without registers")
    dinov2.add_argument("source", metavar="IN.pth")
    dinov2.add_argument("target", metavar="OUT.safetensors")
    dinov2.set_defaults(run=lambda options: convert_dinov2(options.source, options.target))
    network = commands.add_parser("network", help="a diffusion network (improved-diffusion, guided-diffusion, DDPM, EDM)")
    network.add_argument("source", metavar="IN")
    network.add_argument("target", metavar="OUT.safetensors")
    network.add_argument("--name", help="which published network it is, where the file's name does not say")
    network.add_argument("--family", help="of a network that is not published: " + ", ".join(MARKS))
    network.add_argument("--config", help="its constructor's arguments, JSON")
    network.add_argument("--process", help="its noise process, as linear:T=1000")
    network.add_argument("--rescale-timesteps", action="store_true", help="it is told t*1000/T")
    network.add_argument("--image-size", type=int, help="side of its images, pixels")
    network.add_argument("--key", help="where in the file the state dict is, if it is not the whole")
    network.set_defaults(run=convert_network)
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
