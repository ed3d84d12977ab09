"""DDPM++ with EDM preconditioning (Song et al. 2021, Karras et al. 2022, arXiv 2206.00364) as a plain module of PyTorch,
with that project's names of tensors: what models/song_unet.cpp is timed against. Standard encoder and decoder, positional
embedding, box resampling; no labels, no augmentation."""
import math

import torch
from torch import nn
from torch.nn import functional

#: Of the published CIFAR-10 networks (unconditional; augmentation inputs, unused when sampling, left out).
CIFAR10 = {"class": "EDMPrecond", "img_resolution": 32, "img_channels": 3, "label_dim": 0, "use_fp16": False, "sigma_min": 0,
           "sigma_max": "inf", "sigma_data": 0.5, "model_type": "SongUNet", "augment_dim": 0, "model_channels": 128,
           "channel_mult": [2, 2, 2], "channel_mult_emb": 4, "num_blocks": 4, "attn_resolutions": [16], "dropout": 0.13,
           "label_dropout": 0, "embedding_type": "positional", "channel_mult_noise": 1, "encoder_type": "standard",
           "decoder_type": "standard", "resample_filter": [1, 1]}


def norm(channels):
    return nn.GroupNorm(min(32, channels // 4), channels, eps=1e-6)


class Block(nn.Module):
    def __init__(self, inputs, outputs, embedding, attention=False, up=False, down=False):
        super().__init__()
        self.up, self.down = up, down
        self.norm0, self.conv0 = norm(inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.affine = nn.Linear(embedding, outputs)
        self.norm1, self.conv1 = norm(outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if up or down or inputs != outputs else None
        self.attention = attention
        if attention:
            self.norm2, self.qkv, self.proj = norm(outputs), nn.Conv2d(outputs, 3 * outputs, 1), nn.Conv2d(outputs, outputs, 1)

    def resampled(self, x):
        if self.up:
            return functional.interpolate(x, scale_factor=2, mode="nearest")
        return functional.avg_pool2d(x, 2) if self.down else x

    def forward(self, x, emb):
        h = self.conv0(self.resampled(functional.silu(self.norm0(x))))
        h = h + self.affine(emb)[:, :, None, None]
        h = self.conv1(functional.silu(self.norm1(h)))
        h = (h + (x if self.skip is None else self.skip(self.resampled(x)))) * math.sqrt(0.5)
        if self.attention:
            b, c, height, width = h.shape
            q, k, v = self.qkv(self.norm2(h)).reshape(b, c, 3, -1).unbind(2)
            # The soft-max in float32 whatever the trunk is, as the original does.
            weights = torch.einsum("ncq,nck->nqk", q.float(), k.float() / math.sqrt(c)).softmax(2).to(q.dtype)
            h = (self.proj(torch.einsum("nqk,nck->ncq", weights, v).reshape(b, c, height, width)) + h) * math.sqrt(0.5)
        return h


class SongUNet(nn.Module):
    def __init__(self, config):
        super().__init__()
        c, size, channels = config, config["img_resolution"], config["model_channels"]
        self.channels, embedding, attended = channels, channels * c["channel_mult_emb"], c["attn_resolutions"]
        self.map_layer0, self.map_layer1 = nn.Linear(channels, embedding), nn.Linear(embedding, embedding)
        self.enc, self.dec = nn.ModuleDict(), nn.ModuleDict()
        width, skips = c["img_channels"], []
        for level, mult in enumerate(c["channel_mult"]):
            r = size >> level
            if level == 0:
                self.enc[f"{r}x{r}_conv"], width = nn.Conv2d(width, channels, 3, padding=1), channels
            else:
                self.enc[f"{r}x{r}_down"] = Block(width, width, embedding, down=True)
            skips.append(width)
            for i in range(c["num_blocks"]):
                self.enc[f"{r}x{r}_block{i}"] = Block(width, channels * mult, embedding, r in attended)
                width = channels * mult
                skips.append(width)
        for level, mult in reversed(list(enumerate(c["channel_mult"]))):
            r = size >> level
            if level == len(c["channel_mult"]) - 1:
                self.dec[f"{r}x{r}_in0"] = Block(width, width, embedding, True)
                self.dec[f"{r}x{r}_in1"] = Block(width, width, embedding)
            else:
                self.dec[f"{r}x{r}_up"] = Block(width, width, embedding, up=True)
            for i in range(c["num_blocks"] + 1):
                last = i == c["num_blocks"] and r in attended
                self.dec[f"{r}x{r}_block{i}"] = Block(width + skips.pop(), channels * mult, embedding, last)
                width = channels * mult
        self.dec[f"{size}x{size}_aux_norm"] = norm(width)
        self.dec[f"{size}x{size}_aux_conv"] = nn.Conv2d(width, c["img_channels"], 3, padding=1)

    def forward(self, x, noise):
        half = self.channels // 2
        phases = noise[:, None] * (1 / 10000) ** (torch.arange(half, device=x.device, dtype=torch.float32) / (half - 1))
        emb = torch.cat([phases.sin(), phases.cos()], 1).to(x.dtype)
        emb = functional.silu(self.map_layer1(functional.silu(self.map_layer0(emb))))
        skips = []
        for name, layer in self.enc.items():
            x = layer(x) if name.endswith("_conv") else layer(x, emb)
            skips.append(x)
        for name, layer in self.dec.items():
            if name.endswith("_aux_norm"):
                x = functional.silu(layer(x))
            elif name.endswith("_aux_conv"):
                x = layer(x)
            else:
                x = layer(torch.cat([x, skips.pop()], 1) if "_block" in name else x, emb)
        return x


class Denoiser(nn.Module):
    """D(x; sigma) of EDM, eq. 7: float32 around a trunk in `dtype`."""

    def __init__(self, config, dtype=torch.float32):
        super().__init__()
        self.model, self.data, self.dtype = SongUNet(config), config["sigma_data"], dtype

    def forward(self, x, sigma):
        s = sigma.float().reshape(-1, 1, 1, 1)
        total = s ** 2 + self.data ** 2
        f = self.model((x.float() / total.sqrt()).to(self.dtype), (s.flatten().log() / 4).to(torch.float32))
        return self.data ** 2 / total * x.float() + s * self.data / total.sqrt() * f.float()


def weight_file(denoiser):
    """name -> float32 tensor of a weight file; the box filters are part of it."""
    tensors = {}
    for name, value in denoiser.state_dict().items():
        tensors[name] = value.float().contiguous()
        if name.endswith((".conv0.weight", ".skip.weight")) and any(part in name for part in ("_down.", "_up.")):
            tensors[name[:-len("weight")] + "resample_filter"] = torch.full((1, 1, 2, 2), 0.25)
    return tensors
