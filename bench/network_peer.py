#!/usr/bin/env python3
"""Images a second of this program's networks beside PyTorch eager running the same networks in their reference layout
(channels-first), in turns on the same threads, with the same weights and inputs; and how far the outputs are apart.

usage: .venv/bin/python bench/network_peer.py [--families improved-diffusion ddpm++] [--batches 16 64] [--threads 1 2]
                                              [--rounds 3] [--channels 128] [--program PROGRAM]

improved-diffusion's U-Net has one residual block a level (multipliers 1, 2, 2, 2) and attention at 16x16 and 8x8, the
other is examples/unet.py; DDPM++ has two blocks a level (multipliers 2, 2, 2) and attention at 16x16, the other is
bench/song_unet.py; both on 32x32 colour images. Each round times evaluations of `schedbench sample` in the profiles
reproducible (float32) and fast (bf16), everything around the network included but not the start of the program, then
PyTorch's. A ratio is of the medians over the rounds, by CPU time, with the least and the greatest of a round; by the
clock in brackets, which on a busy machine is worth little. Goals: 1.5 times eager in float32, 3 times in bf16.
"""
import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "examples"), str(ROOT / "tests" / "scripts")]

import numpy  # noqa: E402
import safetensors_file  # noqa: E402
import torch  # noqa: E402


class ImprovedDiffusion:
    """Predicts eps: one Euler step from the table's level nearest 1 is x - sigma eps(x / sqrt(1 + sigma^2), t)."""

    def __init__(self, channels):
        import unet
        config = {"in_channels": 3, "model_channels": channels, "out_channels": 3, "num_res_blocks": 1,
                  "attention_resolutions": [2, 4], "channel_mult": [1, 2, 2, 2], "num_classes": None, "num_heads": 4,
                  "use_scale_shift_norm": True}
        self.network = unet.UNet(config).eval()
        self.tensors = self.network.state_dict()
        self.metadata = {"family": "improved_diffusion.UNetModel", "prediction": "eps", "process": "linear:T=1000",
                         "rescale_timesteps": "false", "image_size": "32", "config": json.dumps(config)}
        abar = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
        sigmas = ((1 - abar) / abar).sqrt()
        self.index = int((sigmas - 1).abs().argmin())
        self.sigma = float(sigmas[self.index])

    def evaluate(self, x):
        return self.network(x, torch.full((len(x),), float(self.index)))

    def step(self, x):
        return x - self.sigma * self.evaluate((x / (1 + self.sigma ** 2) ** 0.5).float()).double()


class Ddpmpp:
    """D(x; sigma): one Euler step from level 1 to 0 is D itself."""

    sigma = 1.0

    def __init__(self, channels):
        import song_unet
        config = {**song_unet.CIFAR10, "model_channels": channels, "num_blocks": 2}
        self.network = song_unet.Denoiser(config).eval()
        self.tensors = song_unet.weight_file(self.network)
        self.metadata = {"family": "edm.precond", "config": json.dumps(config)}

    def evaluate(self, x):
        return self.network(x, torch.full((len(x),), self.sigma))

    def step(self, x):
        return self.evaluate(x.float()).double()


FAMILIES = {"improved-diffusion": ImprovedDiffusion, "ddpm++": Ddpmpp}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2, help="evaluations timed at once")
    parser.add_argument("--program", default=str(ROOT / "build" / "apps" / "schedbench"))
    options = parser.parse_args()
    folder = tempfile.TemporaryDirectory()
    weights, images = (str(pathlib.Path(folder.name) / name) for name in ("net.safetensors", "x.npy"))

    def ours(profile, batch, threads, steps):
        """(CPU seconds, seconds) of the program, and its samples."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        result = subprocess.run([options.program, "sample", "--model", f"native:file={weights}", "--schedule",
                                 "edm:sigma-max=1", "--sampler", "euler", "--steps", str(steps), "--count", str(batch),
                                 "--batch", str(batch), "--threads", str(threads), "--profile", profile, "--raw", "--noise",
                                 "edm", "--output", images, "--json", "--quiet"],
                                check=True, capture_output=True, text=True,
                                env={**os.environ, "OMP_NUM_THREADS": str(threads)})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return cpu, json.loads(result.stdout)["seconds"], numpy.load(images)

    def per_evaluation(profile, batch, threads):
        # The difference of two lengths leaves out what happens once: loading, and laying out the weights.
        short, long = (ours(profile, batch, threads, steps) for steps in (1, 1 + options.steps))
        return [(b - a) / options.steps for a, b in zip(short[:2], long[:2])]

    def eager(family, batch):
        x = torch.randn(batch, 3, 32, 32)
        cpu, clock = time.process_time(), time.perf_counter()
        with torch.no_grad():
            for _ in range(options.steps):
                family.evaluate(x)
        return [(time.process_time() - cpu) / options.steps, (time.perf_counter() - clock) / options.steps]

    print(f"{'network':20}{'batch':>6}{'threads':>8}  {'eager images/s':>15}  {'reproducible / eager':28}{'fast / eager':28}")
    for name in options.families:
        torch.manual_seed(1)
        family = FAMILIES[name](options.channels)
        for parameter in family.network.parameters():  # what starts at zero would hide differences
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.02)
        safetensors_file.write(weights, {key: ("F32", tuple(value.shape), value.numpy().tobytes())
                                         for key, value in family.tensors.items()}, family.metadata)
        for batch in options.batches:
            for threads in options.threads:
                torch.set_num_threads(threads)
                eager(family, batch)
                rounds = [{"eager": eager(family, batch),
                           **{profile: per_evaluation(profile, batch, threads) for profile in ("reproducible", "fast")}}
                          for _ in range(options.rounds)]
                row = f"{name:20}{batch:6}{threads:8}  "
                median = {key: [statistics.median(r[key][i] for r in rounds) for i in (0, 1)] for key in rounds[0]}
                row += f"{batch / median['eager'][1]:15.2f}  "
                for profile in ("reproducible", "fast"):
                    each = [r["eager"][0] / r[profile][0] for r in rounds]
                    ratio = [median["eager"][i] / median[profile][i] for i in (0, 1)]
                    row += f"{f'{ratio[0]:.2f} [{min(each):.2f}, {max(each):.2f}] ({ratio[1]:.2f})':28}"
                print(row, flush=True)
        latents = torch.stack([torch.randn((3, 32, 32), generator=torch.Generator().manual_seed(i)) for i in range(4)])
        with torch.no_grad():
            wanted = family.step(family.sigma * latents.double()).numpy()
        for profile in ("reproducible", "fast"):
            got = ours(profile, 4, 1, 1)[2]
            print(f"  {name}, {profile}: largest difference from eager {abs(got - wanted).max():.2g} "
                  f"of values up to {abs(wanted).max():.2g}")


if __name__ == "__main__":
    main()
