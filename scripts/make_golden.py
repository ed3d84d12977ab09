#!/usr/bin/env python3
"""Writes a golden tensor file of any PyTorch network: inputs, outputs and named activations, for schedbench verify. So a
conversion of weights can be proven on the machine that has the network's own code.

usage: scripts/make_golden.py FILE.py:FUNCTION OUT.golden.safetensors [--argument TEXT ...] [--batch 3 --channels 3
           --size 32 --classes 0 --seed 0] [--tap act.mid=middle_block.2 ...] [--float64] [--edm SECTION --config JSON]

FUNCTION is called with the texts of --argument and returns a torch.nn.Module, which is called as net(x, t) or, with
--classes, net(x, t, y): images, times in [0, 1000), class indices. With --edm it is EDM's wrapper, called as
net(x, sigma[, one-hot rows]), and SECTION (EDMPrecond, VPPrecond, VEPrecond, iDDPMPrecond) is its class, whose constructor's
arguments --config gives. --tap NAME=MODULE stores what a module returns, by the names that verify knows: act.t_emb (after the
time's two linear layers), act.level0 (end of the first level), act.level0_down (after the first change of resolution),
act.mid (end of the middle). --float64 adds the results of the same weights in float64: only for networks whose time
embedding is computed in float64 then.

  scripts/make_golden.py examples/unet.py:load fashion.golden.safetensors --argument weights/fashion-hybrid.safetensors \\
      --channels 1 --tap act.t_emb=time_embed --tap act.mid=middle_block.2 --float64
  schedbench verify weights/fashion-hybrid.safetensors fashion.golden.safetensors

Needs a Python with torch, and runs the code it is given.
"""
import argparse
import importlib.util
import json
import pathlib
import sys

import convert_checkpoint

try:
    import torch
except ImportError as missing:
    sys.exit(f"make_golden: error: needs a Python with torch ({missing})")

NAMES = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64"}


def network_of(text, arguments):
    """The module that FILE.py:FUNCTION makes."""
    path, _, function = text.rpartition(":")
    if not path or not pathlib.Path(path).is_file():
        sys.exit(f"make_golden: error: {text}: FILE.py:FUNCTION is expected, and the file must be there")
    sys.path.insert(0, str(pathlib.Path(path).resolve().parent))
    spec = importlib.util.spec_from_file_location("network_of_the_user", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, function):
        sys.exit(f'make_golden: error: {path}: has no function "{function}"')
    return getattr(module, function)(*arguments).eval()


def first_tensor(value):
    return value if isinstance(value, torch.Tensor) else value[0]


def evaluate(network, inputs, taps):
    """(output, name -> activation)."""
    found, hooks = {}, []
    modules = dict(network.named_modules())
    for name, module in taps.items():
        if module not in modules:
            sys.exit(f'make_golden: error: --tap {name}={module}: the network has no module of this name')

        def keep(_, __, output, name=name):
            found[name] = first_tensor(output).detach()

        hooks.append(modules[module].register_forward_hook(keep))
    with torch.no_grad():
        out = first_tensor(network(*inputs))
    for hook in hooks:
        hook.remove()
    return out, found


def tensors_of(options, network):
    """Inputs and results by the names of verify; of EDM's wrapper with the section before them."""
    generator = torch.Generator().manual_seed(options.seed)
    shape = (options.batch, options.channels, options.size, options.size)
    x = torch.randn(shape, generator=generator)
    prefix, result = (options.edm + ".", "D") if options.edm else ("", "out")
    if options.edm:
        time = torch.exp(torch.randn(options.batch, generator=generator) * 1.2 - 1.2)
        x = (x * (0.25 + time[:, None, None, None] ** 2).sqrt()).contiguous()
        tensors = {prefix + "x": x, prefix + "sigma": time}
    else:
        time = torch.rand(options.batch, generator=generator) * 999
        tensors = {"x": x, "t": time}
    inputs = [x, time]
    if options.classes:
        y = torch.randint(options.classes, (options.batch,), generator=generator)
        inputs.append(torch.nn.functional.one_hot(y, options.classes).float() if options.edm else y)
        tensors["class_labels" if options.edm else "y"] = inputs[-1]
    taps = dict(tap.split("=", 1) for tap in options.tap)
    out, found = evaluate(network, inputs, taps)
    tensors.update({prefix + name: value for name, value in {result: out, **found}.items()})
    if options.float64:
        doubles = [v.double() if v.is_floating_point() else v for v in inputs]
        tensors[prefix + result + ".f64"] = evaluate(network.double(), doubles, {})[0]
    return tensors


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", metavar="FILE.py:FUNCTION")
    parser.add_argument("target", metavar="OUT.golden.safetensors")
    parser.add_argument("--argument", action="append", default=[], help="given to the function, as text")
    for name, value in (("batch", 3), ("channels", 3), ("size", 32), ("classes", 0), ("seed", 0)):
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--tap", action="append", default=[], metavar="NAME=MODULE")
    parser.add_argument("--float64", action="store_true")
    parser.add_argument("--edm", metavar="SECTION")
    parser.add_argument("--config", default="{}", help="with --edm: the wrapper's constructor arguments, JSON")
    options = parser.parse_args(arguments)
    network = network_of(options.network, options.argument)
    tensors = {name: value.contiguous() for name, value in tensors_of(options, network).items()}
    about = {"made_by": f"make_golden.py {options.network} {' '.join(options.argument)}", "torch": torch.__version__}
    if options.edm:
        about["sections"] = json.dumps({options.edm: {"class": options.edm, **json.loads(options.config)}})
    convert_checkpoint.write_safetensors(options.target, {
        name: (NAMES[value.dtype], tuple(value.shape), bytes(value.numpy().tobytes())) for name, value in tensors.items()
    }, about)
    print(f"{options.target}: {len(tensors)} tensors")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
