#!/usr/bin/env python3
"""One command for a device: images and network evaluations a second of this program beside PyTorch running the same network
with the same weights (eager float32 in its default layout and with its default switches, so on a GPU with TF32 in convolutions;
torch.compile in bf16), the share of time outside the network, peak device memory, graphs on and off, several batch sizes; and how
far each is from the peer and from the device's own limit.

usage: .venv/bin/python bench/device_peer.py [--device cpu|cuda] [--network ddpmpp|small] [--batches 64,256,1024] [--steps 18]
       [--images 0] [--threads 0] [--rounds 3] [--no-compile] [--json FILE] [--program PROGRAM]

The network is DDPM++ of the published CIFAR-10 checkpoints (55.7 million parameters, random weights; `small`: the same with 32
channels and one block a level, for a machine without a GPU), the sampler Heun from sigma 80 to 0.002. The limit is what the
device itself does in large matrix products of the type, measured in the same run (above 100 %: minimal filtering multiplies
less than is counted). Rounds take turns, so that other load falls on all; medians are shown. Goals on a GPU at batch 256: 3 times eager float32, 1.2 times torch.compile in bf16, at most 2 % outside
the network; on a CPU with bf16 instructions: 3 times eager float32.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests" / "scripts")]


def fail(why):
    print(f"device_peer.py: error: {why}", file=sys.stderr)
    sys.exit(2)


def batch_sizes(text):
    sizes = [int(part) for part in text.split(",")]
    if min(sizes) < 1:
        raise ValueError
    return sizes


class Peer:
    """Heun over EDM's levels in PyTorch, x in float64 as the original does; one network."""

    def __init__(self, torch, denoiser, device, steps):
        self.torch, self.denoiser, self.device = torch, denoiser, device
        ramp = torch.arange(steps, dtype=torch.float64, device=device) / (steps - 1)
        levels = (80 ** (1 / 7) + ramp * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
        self.levels = torch.cat([levels, levels.new_zeros(1)])

    def sample(self, batch):
        torch, levels = self.torch, self.levels
        x = torch.randn(batch, 3, 32, 32, device=self.device).double() * levels[0]
        with torch.inference_mode():
            for now, after in zip(levels[:-1], levels[1:]):
                slope = (x - self.denoiser(x.float(), now.expand(batch)).double()) / now
                ahead = x + (after - now) * slope
                if after is not levels[-1] and after > 0:
                    second = (ahead - self.denoiser(ahead.float(), after.expand(batch)).double()) / after
                    ahead = x + (after - now) * (slope + second) / 2
                x = ahead
        return x

    def images_per_second(self, batch, images):
        self.wait()
        start = time.perf_counter()
        for _ in range(images // batch):
            self.sample(batch)
        self.wait()
        return images / (time.perf_counter() - start)

    def wait(self):
        if self.device != "cpu":
            self.torch.cuda.synchronize()


def peak_flops(torch, device, dtype, size):
    """Multiply-adds a second (times two) of a large matrix product."""
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    wait = torch.cuda.synchronize if device != "cpu" else lambda: None
    best = float("inf")
    for _ in range(6):
        wait()
        start = time.perf_counter()
        a @ b
        wait()
        best = min(best, time.perf_counter() - start)
    return 2 * size ** 3 / best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--network", default="ddpmpp", choices=["ddpmpp", "small"])
    parser.add_argument("--batches", default="64,256,1024", type=batch_sizes)
    parser.add_argument("--steps", type=int, default=18)
    parser.add_argument("--images", type=int, default=0, help="a measurement; 0: one batch on a CPU, four on a GPU")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--json", help="write all figures into this file")
    parser.add_argument("--program", default=str(ROOT / "build" / "apps" / "schedbench"))
    options = parser.parse_args()
    if not os.access(options.program, os.X_OK):
        fail(f"{options.program} is no program; build it (scripts/build.sh), or name it with --program")
    if options.steps < 2 or options.rounds < 1 or options.threads < 0 or options.images < 0:
        fail("wants at least 2 steps and 1 round, and no negative number")
    threads = options.threads or len(os.sched_getaffinity(0))
    os.environ["OMP_NUM_THREADS"] = str(threads)

    try:
        import safetensors_file
        import song_unet
        import torch
    except ImportError as error:
        fail(f"{error}; this Python needs torch (scripts/setup.sh)")
    from torch.utils.flop_counter import FlopCounterMode

    if options.device == "cuda" and not torch.cuda.is_available():
        fail("PyTorch finds no CUDA device here; use --device cpu")
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    config = dict(song_unet.CIFAR10)
    if options.network == "small":
        config.update(model_channels=32, num_blocks=1)
    denoiser = song_unet.Denoiser(config).eval()
    folder = tempfile.TemporaryDirectory()
    weights = str(pathlib.Path(folder.name) / "net.safetensors")
    safetensors_file.write(weights, {name: ("F32", tuple(value.shape), value.numpy().tobytes())
                                     for name, value in song_unet.weight_file(denoiser).items()},
                           {"family": "edm.precond", "config": json.dumps(config)})
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        denoiser(torch.zeros(1, 3, 32, 32), torch.ones(1))
    evaluation_flops, nfe = counter.get_total_flops(), 2 * options.steps - 1

    def ours(profile, batch, images, graphs):
        """One run of the program; the first block (loading, warm-up, graph capture) is not in its figures."""
        command = [options.program, "sample", "--model", f"native:file={weights}", "--schedule", "edm", "--sampler", "heun",
                   "--steps", str(options.steps), "--count", str(images + batch), "--batch", str(batch), "--threads", str(threads),
                   "--device", options.device, "--profile", profile, "--output", str(pathlib.Path(folder.name) / "x.npy"), "--json",
                   "--quiet"]
        environment = dict(os.environ, SCHEDBENCH_GRAPHS="on" if graphs else "off")
        result = subprocess.run(command, capture_output=True, text=True, env=environment)
        if result.returncode:
            try:
                error = json.loads(result.stderr.strip().splitlines()[-1])["error"]
                return None, f"{error['where']}: {error['message']}"
            except (ValueError, LookupError):
                return None, f"the program ended with {result.returncode}"
        answer = json.loads(result.stdout)
        if graphs and answer.get("cuda_graphs") != "one evaluation":
            return None, answer.get("cuda_graphs", "no graphs here")
        return answer["steady"], ""

    peers = {"eager float32": Peer(torch, song_unet.Denoiser(config).to(options.device).eval(), options.device, options.steps)}
    peers["eager float32"].denoiser.load_state_dict(denoiser.state_dict())
    if not options.no_compile:
        trunk = song_unet.Denoiser(config, torch.bfloat16).eval()
        trunk.load_state_dict(denoiser.state_dict())
        trunk.model.to(torch.bfloat16).to(memory_format=torch.channels_last)
        peers["torch.compile bf16"] = Peer(torch, torch.compile(trunk.to(options.device)), options.device, options.steps)
    own = [("reproducible", False)] + [("fast", graphs) for graphs in ([False, True] if options.device == "cuda" else [False])]

    figures = {"device": torch.cuda.get_device_name() if options.device == "cuda" else f"CPU, {threads} threads",
               "network": options.network, "flops_per_evaluation": evaluation_flops, "evaluations_per_image": nfe, "rows": []}
    size = 8192 if options.device == "cuda" else 1024
    limits = {name: peak_flops(torch, options.device, dtype, size)
              for name, dtype in (("float32", torch.float32), ("bf16", torch.bfloat16))}
    figures["matrix_product_flops"] = limits
    print(f"{figures['device']}: {options.network}, {evaluation_flops / 2e9:.2f} GMAC an evaluation, {nfe} evaluations an image; "
          f"matrix products {limits['float32'] / 1e12:.2f} TFLOP/s float32, {limits['bf16'] / 1e12:.2f} bf16")
    print(f"{'batch':>5} {'':24} {'images/s':>9} {'evals/s':>9} {'x eager':>8} {'x compile':>9} {'of limit':>8} {'outside':>8} "
          f"{'memory':>9}")
    for batch in options.batches:
        images = max(batch, options.images // batch * batch) if options.images else (batch if options.device == "cpu" else 4 * batch)
        rates, extra, failed = {}, {}, {}
        working = {}
        for name, peer in peers.items():  # compiling, and whether there is memory for such a batch
            try:
                peer.sample(batch)
                working[name] = peer
            except Exception as error:
                failed[name] = (str(error).splitlines() or [type(error).__name__])[0]
        for _ in range(options.rounds):
            for name, peer in working.items():
                rates.setdefault(name, []).append(peer.images_per_second(batch, images))
            for profile, graphs in own:
                name = f"schedbench {profile}" + (", graph" if graphs else "")
                steady, reason = ours(profile, batch, images, graphs)
                if steady is None:
                    failed[name] = reason
                    continue
                rates.setdefault(name, []).append(steady["images"] / steady["seconds"])
                extra.setdefault(name, []).append(steady)
        median = {name: statistics.median(values) for name, values in rates.items()}
        for name, rate in median.items():
            kind = "bf16" if "bf16" in name or "fast" in name else "float32"
            row = {"batch": batch, "name": name, "images_per_second": rate, "spread": [min(rates[name]), max(rates[name])],
                   "of_limit": rate * nfe * evaluation_flops / limits[kind]}
            for peer in working:
                row["times " + peer] = rate / median[peer]
            if name in extra:
                row["share_outside_network"] = statistics.median(1 - s["network_seconds"] / s["seconds"] for s in extra[name])
                row["peak_memory_bytes"] = max(s["peak_memory_bytes"] for s in extra[name])
            figures["rows"].append(row)
            eager, compiled = row.get("times eager float32"), row.get("times torch.compile bf16")
            print(f"{batch:5} {name:24} {rate:9.2f} {rate * nfe:9.1f} {'' if eager is None else format(eager, '.2f'):>8} "
                  f"{'' if compiled is None else format(compiled, '.2f'):>9} {100 * row['of_limit']:7.1f}% "
                  f"{'' if name not in extra else format(100 * row['share_outside_network'], '.2f') + '%':>8} "
                  f"{'' if name not in extra else format(row['peak_memory_bytes'] / 2**20, '.0f') + ' MiB':>9}")
        for name, reason in failed.items():
            print(f"{batch:5} {name:24} did not run: {reason}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
