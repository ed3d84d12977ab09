"""safetensors files in the tests of scripts: metadata, and name -> (dtype, shape, bytes)."""
import json
import pathlib
import struct


def read(path):
    blob = pathlib.Path(path).read_bytes()
    size = struct.unpack("<Q", blob[:8])[0]
    head, data = json.loads(blob[8:8 + size]), blob[8 + size:]
    about = head.pop("__metadata__", {})
    return about, {name: (v["dtype"], tuple(v["shape"]), data[v["data_offsets"][0]:v["data_offsets"][1]])
                   for name, v in head.items()}


def write(path, tensors, about):
    head, offset = {"__metadata__": about}, 0
    for name, (dtype, shape, data) in tensors.items():
        head[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values()))
