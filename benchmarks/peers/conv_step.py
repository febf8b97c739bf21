# SPDX-License-Identifier: MIT
"""PyTorch's side of bench_conv_step: a training step and an evaluation of residual networks, batch 32, float32, one thread.

python3 benchmarks/peers/conv_step.py [--json]

train: forward, cross-entropy, zero_grad, backward, SGD with momentum and weight decay, on fixed tensors (no data
loader, no augmentation: ours includes both). evaluate: forward in evaluation mode without gradients. Each in the
default memory layout and in channels_last; the faster one counts. Milliseconds of processor time, median.
"""
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import json
import statistics
import sys
import time

try:
    import torch
except ImportError:
    sys.exit("conv_step.py: PyTorch is missing; install it (pip install torch, or Debian's python3-torch) or set PYTHON")
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)
torch.manual_seed(0)

NETS = {"resnet8": ([16, 32, 64], 1, 20), "resnet18": ([64, 128, 256, 512], 2, 5)}


class Block(nn.Module):
    def __init__(self, before, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = nn.Sequential()
        if stride != 1 or before != width:
            self.shortcut = nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        hidden = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(hidden)) + self.shortcut(x), inplace=True)


def network(widths, blocks):
    layers = [nn.Conv2d(3, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)]
    before = widths[0]
    for s, width in enumerate(widths):
        for b in range(blocks):
            layers.append(Block(before, width, 2 if s > 0 and b == 0 else 1))
            before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))


def milliseconds(step, repeats):
    step()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        step()
        times.append(time.process_time() - start)
    return 1e3 * statistics.median(times)


def measure(widths, blocks, repeats, layout):
    model = network(widths, blocks).to(memory_format=layout)
    x = torch.randn(32, 3, 32, 32).to(memory_format=layout)
    y = torch.randint(0, 10, (32,))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)

    def train():
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def evaluate():
        with torch.no_grad():
            model(x)

    trained = milliseconds(train, repeats)
    model.eval()
    return trained, milliseconds(evaluate, repeats)


def main():
    result = {"torch": torch.__version__, "nets": {}}
    for name, (widths, blocks, repeats) in NETS.items():
        runs = [measure(widths, blocks, repeats, layout) for layout in (torch.contiguous_format, torch.channels_last)]
        result["nets"][name] = {"train": min(r[0] for r in runs), "evaluate": min(r[1] for r in runs)}
    if "--json" in sys.argv:
        print(json.dumps(result))
        return
    for name, net in result["nets"].items():
        print(name, " ".join(f"{kind} {value:.1f} ms" for kind, value in net.items()))


if __name__ == "__main__":
    main()
