"""The U-Net of improved-diffusion (Nichol & Dhariwal 2021, arXiv 2102.09672) as a module of PyTorch, with that project's
names of tensors: a second implementation of what models/unet.cpp computes, to export and to compare with. Reads the weight
files of this repository: load("weights/fashion-hybrid.safetensors")."""
import json
import math
import struct

import torch
from torch import nn
from torch.nn import functional

KINDS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16}


def read_safetensors(path):
    """(metadata, name -> tensor)."""
    with open(path, "rb") as file:
        head = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    about = head.pop("__metadata__", {})
    return about, {name: torch.frombuffer(bytearray(data[slice(*v["data_offsets"])]), dtype=KINDS[v["dtype"]])
                   .reshape(v["shape"]) for name, v in head.items()}


class Residual(nn.Module):
    def __init__(self, config, inputs, outputs):
        super().__init__()
        groups, self.scale_shift = config["num_groups"], config["use_scale_shift_norm"]
        self.in_layers = nn.Sequential(nn.GroupNorm(groups, inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(4 * config["model_channels"],
                                                             outputs * (2 if self.scale_shift else 1)))
        self.out_layers = nn.Sequential(nn.GroupNorm(groups, outputs), nn.SiLU(), nn.Identity(),
                                        nn.Conv2d(outputs, outputs, 3, padding=1))
        self.skip_connection = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x, emb):
        h, e = self.in_layers(x), self.emb_layers(emb)[:, :, None, None]
        if self.scale_shift:
            scale, shift = e.chunk(2, 1)
            h = self.out_layers[1:](self.out_layers[0](h) * (1 + scale) + shift)
        else:
            h = self.out_layers(h + e)
        return self.skip_connection(x) + h


class Attention(nn.Module):
    def __init__(self, config, channels, heads):
        super().__init__()
        self.heads, self.norm = heads, nn.GroupNorm(config["num_groups"], channels)
        self.qkv, self.proj_out = nn.Conv1d(channels, 3 * channels, 1), nn.Conv1d(channels, channels, 1)

    def forward(self, x, _):
        b, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x.reshape(b, c, -1))).reshape(b * self.heads, -1, h * w).chunk(3, 1)
        scale = (c // self.heads) ** -0.25
        weights = torch.einsum("bct,bcs->bts", q * scale, k * scale).softmax(-1)
        return x + self.proj_out(torch.einsum("bts,bcs->bct", weights, v).reshape(b, c, -1)).reshape(x.shape)


class Resample(nn.Module):
    def __init__(self, channels, up):
        super().__init__()
        self.up = up
        setattr(self, "conv" if up else "op", nn.Conv2d(channels, channels, 3, stride=1 if up else 2, padding=1))

    def forward(self, x, _):
        return self.conv(functional.interpolate(x, scale_factor=2.0)) if self.up else self.op(x)


class First(nn.Conv2d):
    def forward(self, x, _):
        return super().forward(x)


class UNet(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config = {"num_groups": 32, "patch": 1, "num_heads_upsample": -1, **config}
        c, mults, patch = config["model_channels"], config["channel_mult"], config["patch"]
        heads_up = config["num_heads"] if config["num_heads_upsample"] == -1 else config["num_heads_upsample"]
        self.time_embed = nn.Sequential(nn.Linear(c, 4 * c), nn.SiLU(), nn.Linear(4 * c, 4 * c))
        if config["num_classes"]:
            self.label_emb = nn.Embedding(config["num_classes"], 4 * c)
        blocks, skips, now, factor = [[First(config["in_channels"] * patch ** 2, c, 3, padding=1)]], [c], c, 1
        for level, mult in enumerate(mults):
            for _ in range(config["num_res_blocks"]):
                block, now = [Residual(config, now, c * mult)], c * mult
                if factor in config["attention_resolutions"]:
                    block.append(Attention(config, now, config["num_heads"]))
                blocks.append(block)
                skips.append(now)
            if level + 1 < len(mults):
                blocks.append([Resample(now, up=False)])
                skips.append(now)
                factor *= 2
        self.input_blocks = nn.ModuleList(map(nn.ModuleList, blocks))
        self.middle_block = nn.ModuleList([Residual(config, now, now), Attention(config, now, config["num_heads"]),
                                           Residual(config, now, now)])
        blocks = []
        for level, mult in reversed(list(enumerate(mults))):
            for i in range(config["num_res_blocks"] + 1):
                block, now = [Residual(config, now + skips.pop(), c * mult)], c * mult
                if factor in config["attention_resolutions"]:
                    block.append(Attention(config, now, heads_up))
                if level and i == config["num_res_blocks"]:
                    block.append(Resample(now, up=True))
                    factor //= 2
                blocks.append(block)
        self.output_blocks = nn.ModuleList(map(nn.ModuleList, blocks))
        self.out = nn.Sequential(nn.GroupNorm(config["num_groups"], c), nn.SiLU(),
                                 nn.Conv2d(c, config["out_channels"] * patch ** 2, 3, padding=1))

    def forward(self, x, t, y=None):
        half = self.config["model_channels"] // 2
        frequencies = torch.exp(torch.arange(half, dtype=x.dtype) * (-math.log(10000.0)) / half)
        phases = t[:, None].to(x.dtype) * frequencies
        emb = self.time_embed(torch.cat([phases.cos(), phases.sin()], 1))
        if self.config["num_classes"]:
            emb = emb + self.label_emb(y)
        h, skips = functional.pixel_unshuffle(x, self.config["patch"]), []
        for block in self.input_blocks:
            for layer in block:
                h = layer(h, emb)
            skips.append(h)
        for layer in self.middle_block:
            h = layer(h, emb)
        for block in self.output_blocks:
            h = torch.cat([h, skips.pop()], 1)
            for layer in block:
                h = layer(h, emb)
        return functional.pixel_shuffle(self.out(h), self.config["patch"])


def load(path):
    """The network of a weight file of the family improved_diffusion.UNetModel, with its weights, in float32."""
    about, tensors = read_safetensors(path)
    network = UNet(json.loads(about["config"]))
    network.load_state_dict({name: value.float() for name, value in tensors.items()})
    return network.eval()


def example_inputs(path, config):
    """Two images, times and, of a conditional network, labels, of the size that the weight file names."""
    side = int(read_safetensors(path)[0].get("image_size", 32))
    labels = [torch.zeros(2, dtype=torch.long)] if config["num_classes"] else []
    return [torch.zeros(2, config["in_channels"], side, side), torch.zeros(2), *labels]
