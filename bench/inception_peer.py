#!/usr/bin/env python3
"""Images a second of this program's Inception network beside pytorch-fid's own, in turns on the same threads.

usage: PYTHON bench/inception_peer.py [--threads N] [--rounds R] [--bench build/bench/bench_inception]

PYTHON needs torch, torchvision and pytorch-fid (0.3.0 was used); the weights are random, no file is fetched. Each round runs
bench_inception (float32, then bf16, blocks of 16) and then pytorch-fid in its default batches of 50, so that other load on
the machine falls on all of them. Both are timed by the clock and by the CPU time of the process: on a busy machine only the
latter is worth anything. Prints each rate and, last, the ratios of the medians.
"""
import argparse
import json
import os
import statistics
import subprocess
import time

BATCH = 50


def peer_network():
    import pytorch_fid.inception as peer
    import torch

    kept = torch.nn.Module.load_state_dict
    # The constructor fetches the published weights: here it keeps the random ones it starts from.
    peer.load_state_dict_from_url = lambda *_, **__: {}
    torch.nn.Module.load_state_dict = lambda self, *_, **__: None
    try:
        return peer.InceptionV3([peer.InceptionV3.BLOCK_INDEX_BY_DIM[2048]]).eval()
    finally:
        torch.nn.Module.load_state_dict = kept


def peer_rate(network, torch):
    x = torch.rand(BATCH, 3, 299, 299)
    clock, cpu = time.perf_counter(), time.process_time()
    with torch.no_grad():
        network(x)
    return BATCH / (time.perf_counter() - clock), BATCH / (time.process_time() - cpu)


def our_rate(bench, name, threads):
    """(by the clock, by CPU time), or None where the CPU lacks the instructions."""
    result = subprocess.run([bench, f"--benchmark_filter=^{name}/batch:16/", "--benchmark_format=json",
                             "--benchmark_min_time=3"], check=True, capture_output=True, text=True,
                            env=dict(os.environ, OMP_NUM_THREADS=str(threads)))
    row = json.loads(result.stdout)["benchmarks"][0]
    if row.get("error_occurred"):
        return None
    scale = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}[row["time_unit"]]
    return row["images"], 16 / (row["cpu_time"] * scale)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bench", default="build/bench/bench_inception")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    import torch

    torch.set_num_threads(options.threads)
    network = peer_network()
    peer_rate(network, torch)  # the first pass compiles kernels
    rates = {"network": [], "network_bf16": [], "pytorch-fid": []}
    for _ in range(options.rounds):
        for name in ("network", "network_bf16"):
            rate = our_rate(options.bench, name, options.threads)
            if rate:
                rates[name].append(rate)
        rates["pytorch-fid"].append(peer_rate(network, torch))
        print("  ".join(f"{name} {r[-1][0]:.2f} ({r[-1][1]:.2f})" for name, r in rates.items() if r), flush=True)
    middle = {name: [statistics.median(column) for column in zip(*r)] for name, r in rates.items() if r}
    base = middle.pop("pytorch-fid")
    for name, (clock, cpu) in middle.items():
        print(f"{name}: {clock / base[0]:.2f} x pytorch-fid by the clock, {cpu / base[1]:.2f} x by CPU time "
              f"({options.threads} threads, {options.rounds} rounds)")


if __name__ == "__main__":
    main()
