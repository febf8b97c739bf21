# SPDX-License-Identifier: MIT
"""What PyTorch's sides of the GPU benchmarks share."""
import os
import sys
import time

import torch


def wait(device):
    if device.type == "cuda":
        torch.cuda.synchronize()


def best_seconds(work, device, rounds=3):
    """The shortest of some calls, wall-clock with synchronisation."""
    best = float("inf")
    for _ in range(rounds):
        wait(device)
        begin = time.perf_counter()
        work()
        wait(device)
        best = min(best, time.perf_counter() - begin)
    return best


def graphed(step, device):
    """The step as one CUDA graph, after three calls that nobody records."""
    stream = torch.cuda.Stream(device)
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def attempt(what, work):
    """What work() returns, or "missing": a rival that cannot run is reported, not hidden."""
    try:
        return work()
    except Exception as error:
        print(f"{os.path.basename(sys.argv[0])}: {what} did not run: {error}"[:300], file=sys.stderr)
        return "missing"
