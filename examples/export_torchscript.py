"""Writes a network as a TorchScript file for schedbench. Usage: export_torchscript.py WEIGHTS.safetensors OUT.pt

Take this as the pattern for a network of your own: forward(image, time) or forward(image, time, label), each with a batch
axis. Then: schedbench sample --model torchscript:file=OUT.pt,prediction=eps,process=linear:T=1000,...
"""
import sys

import torch
import unet

weights, out = sys.argv[1:]
network = unet.load(weights)
config = network.config

# Any sizes but those that must be kept: tracing keeps the side of the image, not the number of images.
inputs = unet.example_inputs(weights, config)
side = inputs[0].shape[2]

with torch.no_grad():
    program = torch.jit.trace(network, inputs, check_trace=False)
program.save(out)
print(f"{out}: {config['in_channels']} channels of {side}x{side}, {config['num_classes'] or 0} classes")
