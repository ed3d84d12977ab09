#!/usr/bin/env python3
"""Images a second of this program's U-Net beside PyTorch eager running the same network in its reference layout
(channels-first), in turns on the same threads, with the same weights and inputs; and how far their outputs are apart.

usage: .venv/bin/python bench/network_peer.py [--channels 128] [--batch 16] [--threads 2] [--rounds 3] [--program PROGRAM]

The network is improved-diffusion's with one residual block a level (multipliers 1, 2, 2, 2) and attention at 16x16 and 8x8,
on 32x32 colour images; the other is examples/unet.py. Each round times one step of `schedbench sample` in float32 and with
precision=bf16 (so the ratio includes everything around the network, but not the start of the program), then PyTorch; other
load on the machine falls on all. The CPU times of the processes are printed too: on a busy machine only they are worth
anything. Goals: 1.5 times eager in float32, 3 times with precision=bf16.
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
sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "tests" / "scripts")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--program", default=str(ROOT / "build" / "apps" / "schedbench"))
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)

    import numpy
    import safetensors_file
    import torch
    import unet

    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    config = {"in_channels": 3, "model_channels": options.channels, "out_channels": 3, "num_res_blocks": 1,
              "attention_resolutions": [2, 4], "channel_mult": [1, 2, 2, 2], "num_classes": None, "num_heads": 4,
              "use_scale_shift_norm": True}
    network = unet.UNet(config).eval()
    folder = tempfile.TemporaryDirectory()
    weights, images = (str(pathlib.Path(folder.name) / name) for name in ("net.safetensors", "x.npy"))
    safetensors_file.write(weights, {name: ("F32", tuple(value.shape), value.numpy().tobytes())
                                     for name, value in network.state_dict().items()},
                           {"family": "improved_diffusion.UNetModel", "prediction": "eps", "process": "linear:T=1000",
                            "rescale_timesteps": "false", "image_size": "32", "config": json.dumps(config)})

    def ours(precision, steps):
        """(seconds, CPU seconds) of the program, and its samples."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        result = subprocess.run([options.program, "sample", "--model", f"native:file={weights},precision={precision}",
                                 "--schedule", "edm:sigma-max=1", "--sampler", "euler", "--steps", str(steps), "--count",
                                 str(options.batch), "--batch", str(options.batch), "--threads", str(options.threads), "--raw",
                                 "--noise", "edm", "--output", images, "--json", "--quiet"], check=True, capture_output=True,
                                text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return json.loads(result.stdout)["seconds"], cpu, numpy.load(images)

    def eager():
        x, t = torch.randn(options.batch, 3, 32, 32), torch.full((options.batch,), 500.0)
        clock, cpu = time.perf_counter(), time.process_time()
        with torch.no_grad():
            for _ in range(options.steps):
                network(x, t)
        return (time.perf_counter() - clock) / options.steps, (time.process_time() - cpu) / options.steps

    eager()
    rows = {"float32": [], "bf16": [], "eager": []}
    for _ in range(options.rounds):
        for precision in ("float32", "bf16"):
            # The difference of two lengths leaves out what happens once: loading, and laying out the weights.
            short, long = ours(precision, 1), ours(precision, 1 + options.steps)
            rows[precision].append([(b - a) / options.steps for a, b in zip(short[:2], long[:2])])
        rows["eager"].append(list(eager()))
    median = {name: [statistics.median(column) for column in zip(*values)] for name, values in rows.items()}
    for name, (seconds, cpu) in median.items():
        print(f"{name:8} {options.batch / seconds:7.2f} images/s by the clock, {options.batch / cpu:7.2f} by CPU time")
    for name in ("float32", "bf16"):
        ratio = [b / a for a, b in zip(median[name], median["eager"])]
        print(f"{name} against eager: {ratio[0]:.2f} by the clock, {ratio[1]:.2f} by CPU time")

    # The same noise through both: one step from the table's level nearest 1 is x - sigma eps_theta(x / sqrt(1 + sigma^2), t).
    abar = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
    sigmas = ((1 - abar) / abar).sqrt()
    index = int((sigmas - 1).abs().argmin())
    sigma = float(sigmas[index])
    latents = torch.stack([torch.randn((3, 32, 32), generator=torch.Generator().manual_seed(i))
                           for i in range(options.batch)])
    with torch.no_grad():
        x = sigma * latents.double()
        eps = network((x / (1 + sigma ** 2) ** 0.5).float(), torch.full((options.batch,), float(index)))
        wanted = (x - sigma * eps.double()).numpy()
    for precision in ("float32", "bf16"):
        got = ours(precision, 1)[2]
        print(f"{precision}: largest difference from eager {abs(got - wanted).max():.2g} "
              f"of values up to {abs(got).max():.2g}")


if __name__ == "__main__":
    main()
