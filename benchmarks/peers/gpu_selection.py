# SPDX-License-Identifier: MIT
"""The rivals' side of bench_k_center and bench_badge on a GPU: loops of PyTorch operations that never leave the device.

python3 gpu_selection.py [--n N ...] [--width F] [--labelled M] [--picks K] [--device cuda]   -> JSON on standard output

k_center: norms and one matrix-vector product per pick, running minimum, arg max on the device (no .item()).
k_center_graph: the same step as one CUDA graph. badge: factored distances, inverse CDF by cumsum and searchsorted.
Microseconds per pick, the best of three, wall-clock with synchronisation. Needs PyTorch only.
"""
import argparse
import json
import time

import torch

from gpu_torch import graphed, wait


def features(n, width, device, clustered):
    generator = torch.Generator(device="cpu").manual_seed(1)
    x = torch.randn(n, width, generator=generator)
    if clustered:
        centres = 2 * torch.randn(10, width, generator=generator)
        scale = 1 / torch.sqrt(1 + torch.arange(width) / 8)
        x = scale * (x + centres[torch.randint(10, (n,), generator=generator)])
    return x.to(device)


def best_of_three(work, device):
    work()
    wait(device)
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        work()
        wait(device)
        times.append(time.perf_counter() - begin)
    return min(times)


class KCenter:
    def __init__(self, x, labelled):
        self.x, self.norms = x, (x * x).sum(1)
        self.start = torch.cdist(x, labelled).min(1).values ** 2
        self.nearest, self.pick = self.start.clone(), torch.zeros(1, dtype=torch.long, device=x.device)

    def reset(self):
        self.nearest.copy_(self.start)

    def step(self):
        self.pick.copy_(self.nearest.argmax(keepdim=True))
        centre = self.x.index_select(0, self.pick)
        squares = self.norms + self.norms.index_select(0, self.pick) - 2 * (self.x @ centre[0])
        torch.minimum(self.nearest, squares, out=self.nearest)

    def run(self, picks, step):
        self.reset()
        for _ in range(picks):
            step()


def badge(p, h, count):
    q = p.clone()
    q[torch.arange(len(p), device=p.device), p.argmax(1)] -= 1
    qn, hn = (q * q).sum(1), (h * h).sum(1)
    norms = qn * hn
    pick, squares = norms.argmax(keepdim=True), torch.full_like(norms, float("inf"))
    uniforms = torch.rand(count, device=p.device, dtype=torch.float64)
    for i in range(count - 1):
        new = norms + norms[pick] - 2 * (q @ q[pick[0]]) * (h @ h[pick[0]])
        squares = torch.minimum(squares, new.clamp(min=0))
        squares[pick] = 0
        cumulative = squares.double().cumsum(0)
        pick = torch.searchsorted(cumulative, uniforms[i:i + 1] * cumulative[-1]).clamp(max=len(p) - 1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, nargs="+", default=[10000, 50000, 1000000])
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--labelled", type=int, default=100)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--picks", type=int, default=200)
    parser.add_argument("--device", default="cuda")
    o = parser.parse_args()
    device = torch.device(o.device)
    rows = []
    for n in o.n:
        for pool in ("clustered", "iid"):
            x = features(n, o.width, device, pool == "clustered")
            k_center = KCenter(x, features(o.labelled, o.width, device, pool == "clustered"))
            steps = {"k_center": k_center.step}
            if device.type == "cuda":
                steps["k_center_graph"] = graphed(k_center.step, device)
            for what, step in steps.items():
                seconds = best_of_three(lambda: k_center.run(o.picks, step), device)
                rows.append({"pool": pool, "what": what, "n": n, "width": o.width, "us_per_pick": seconds / o.picks * 1e6})
            p = torch.softmax(2 * torch.randn(n, o.classes, device=device), 1)
            seconds = best_of_three(lambda: badge(p, x, o.picks), device)
            rows.append({"pool": pool, "what": "badge", "n": n, "width": o.width, "us_per_pick": seconds / o.picks * 1e6})
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    print(json.dumps({"torch": torch.__version__, "device_name": name, "rows": rows}))


if __name__ == "__main__":
    main()
