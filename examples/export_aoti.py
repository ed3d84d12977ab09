"""Compiles a network into an AOTInductor package for schedbench (needs g++). Usage: export_aoti.py WEIGHTS.safetensors OUT.pt2

Take this as the pattern for a network of your own: forward(image, time) or forward(image, time, label), each with a batch
axis. The package is machine code for this CPU; what it was made for is written into it, and schedbench compares. Then:
schedbench sample --model aoti:file=OUT.pt2,prediction=eps,process=linear:T=1000,...
"""
import json
import sys

import torch
import unet

weights, out = sys.argv[1:]
network = unet.load(weights)
config = network.config
inputs = unet.example_inputs(weights, config)
side = inputs[0].shape[2]

with open("/proc/cpuinfo") as file:  # the compiler may use whatever this CPU has
    features = next(line.split(":")[1].strip() for line in file if line.startswith("flags"))
about = {"torch": torch.__version__, "device": "cpu", "cpu": features,
         "inputs": json.dumps({"channels": config["in_channels"], "size": side, "classes": config["num_classes"] or 0})}

batch = torch.export.Dim("batch", min=1, max=65536)
shapes = tuple({0: batch} for _ in inputs)
with torch.no_grad():
    program = torch.export.export(network, tuple(inputs), dynamic_shapes=shapes)
    torch._inductor.aoti_compile_and_package(program, package_path=out, inductor_configs={
        "aot_inductor.link_libtorch": False,  # schedbench brings it
        "aot_inductor.metadata": {"schedbench." + key: value for key, value in about.items()}})
print(f"{out}: {config['in_channels']} channels of {side}x{side}, {config['num_classes'] or 0} classes")
