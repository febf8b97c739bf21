# SPDX-License-Identifier: MIT
"""Goldens of the residual networks, from PyTorch on the CPU in float64.

python3 tests/goldens/nn/make_conv_goldens.py     (made with PyTorch 1.13.0; writes conv_*.json beside this file)

Parameters, buffers, images and dropout factors come from integer hashes whose results are exact in float32, so that the
test makes the same numbers and no network is stored. Of each tensor the files keep the norm, the projection onto
another hashed vector, and eight entries.
"""
import json
import os

import numpy
import torch
import torch.nn.functional as F
from torch import nn

PARAMETERS, BUFFERS, IMAGES, LABELS, DIRECTION, DROPOUT = range(6)
CASES = {
    "resnet8": dict(kind="resnet8", shape=[3, 8, 8], classes=10, batch=8, dropout=0, steps=10),
    "resnet8_dropout": dict(kind="resnet8", shape=[1, 9, 7], classes=3, batch=5, dropout=0.2, steps=10),
    "resnet14": dict(kind="resnet14", shape=[3, 12, 16], classes=4, batch=6, dropout=0.2, steps=2),
    "resnet18": dict(kind="resnet18", shape=[3, 16, 16], classes=100, batch=4, dropout=0, steps=2),
    "resnet18_full": dict(kind="resnet18", shape=[3, 32, 32], classes=10, batch=32, dropout=0, steps=10),
}
WIDTHS = {"resnet8": ([16, 32, 64], 1), "resnet14": ([16, 32, 64], 2), "resnet18": ([64, 128, 256, 512], 2)}
LR, WEIGHT_DECAY, MOMENTUM = 1e-4, 5e-4, 0.9


def hashed(stream, first, count):
    """24-bit numbers in [-1, 1)."""
    with numpy.errstate(over="ignore"):
        x = numpy.arange(first, first + count, dtype=numpy.uint64)
        x = (x + numpy.uint64(1)) * numpy.uint64(0x9E3779B97F4A7C15) + numpy.uint64(stream) * numpy.uint64(0xD1B54A32D192ED03)
        x ^= x >> numpy.uint64(30)
        x *= numpy.uint64(0xBF58476D1CE4E5B9)
        x ^= x >> numpy.uint64(27)
        x *= numpy.uint64(0x94D049BB133111EB)
        x ^= x >> numpy.uint64(31)
    return (x >> numpy.uint64(40)).astype(numpy.float64) / 2.0**23 - 1


class Layer(nn.Module):
    def __init__(self, cin, cout, kernel, stride):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, (kernel - 1) // 2, bias=False)
        self.bn = nn.BatchNorm2d(cout)

    def forward(self, x):
        return self.bn(self.conv(x))


class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = Layer(cin, cout, 3, stride)
        self.conv2 = Layer(cout, cout, 3, 1)
        self.shortcut = Layer(cin, cout, 1, stride) if stride != 1 or cin != cout else None

    def forward(self, x, factors):
        hidden = F.relu(self.conv1(x))
        if factors is not None:
            hidden = hidden * factors[:, :, None, None]
        return F.relu(self.conv2(hidden) + (x if self.shortcut is None else self.shortcut(x)))


class ResNet(nn.Module):
    def __init__(self, kind, channels, classes):
        super().__init__()
        widths, blocks = WIDTHS[kind]
        self.stem = Layer(channels, widths[0], 3, 1)
        layers, before = [], widths[0]
        for s, width in enumerate(widths):
            for b in range(blocks):
                layers.append(Block(before, width, 2 if s > 0 and b == 0 else 1))
                before = width
        self.blocks = nn.ModuleList(layers)
        self.linear = nn.Linear(before, classes)

    def sites(self):
        return [self.stem.conv.out_channels] + [block.conv1.conv.out_channels for block in self.blocks]

    def forward(self, x, factors):
        parts = torch.split(factors, self.sites(), 1) if factors is not None else [None] * (len(self.blocks) + 1)
        x = F.relu(self.stem(x))
        if factors is not None:
            x = x * parts[0][:, :, None, None]
        for block, part in zip(self.blocks, parts[1:]):
            x = block(x, part)
        features = x.mean((2, 3))
        return self.linear(features), features

    def layers(self):
        yield self.stem
        for block in self.blocks:
            yield from [block.conv1, block.conv2] + ([block.shortcut] if block.shortcut is not None else [])


def fill(net):
    """Every parameter by its place in the packed order; returns the packed order of tensors."""
    parameters, buffers, at, place = [], [], 0, 0
    for layer in net.layers():
        for tensor, kind in ((layer.conv.weight, "weight"), (layer.bn.weight, "gamma"), (layer.bn.bias, "beta")):
            parameters.append((tensor, kind))
        buffers += [(layer.bn.running_mean, "mean"), (layer.bn.running_var, "variance")]
    parameters += [(net.linear.weight, "weight"), (net.linear.bias, "beta")]
    with torch.no_grad():
        for tensor, kind in parameters:
            values = hashed(PARAMETERS, at, tensor.numel())
            at += tensor.numel()
            if kind == "weight":
                values *= 2.0 ** -round(numpy.log2(tensor[0].numel()) / 2)
            else:
                values = values / 4 + (1 if kind == "gamma" else 0)
            tensor.copy_(torch.from_numpy(values).reshape(tensor.shape))
        for tensor, kind in buffers:
            values = hashed(BUFFERS, place, tensor.numel())
            place += tensor.numel()
            tensor.copy_(torch.from_numpy(values / 4 if kind == "mean" else 1 + values / 2))
    return [t for t, _ in parameters], [t for t, _ in buffers]


def digest(tensors):
    result, at = [], 0
    for tensor in tensors:
        flat = tensor.detach().numpy().reshape(-1)
        direction = hashed(DIRECTION, at, flat.size)
        at += flat.size
        places = [(flat.size - 1) * k // 7 for k in range(8)]
        result.append(dict(norm=float(numpy.linalg.norm(flat)), projection=float(flat @ direction),
                           entries=[float(flat[p]) for p in places]))
    return result


def batch(case, step):
    pixels = case["batch"] * int(numpy.prod(case["shape"]))
    images = torch.from_numpy(2 * hashed(IMAGES, step * pixels, pixels)).reshape([case["batch"]] + case["shape"])
    draws = hashed(LABELS, step * case["batch"], case["batch"])
    labels = torch.from_numpy(numpy.floor((draws + 1) / 2 * case["classes"]).astype(numpy.int64))
    return images, labels


def factors_of(case, net, step):
    if case["dropout"] == 0:
        return None
    width = sum(net.sites())
    draws = hashed(DROPOUT, step * case["batch"] * width, case["batch"] * width)
    return torch.from_numpy(numpy.where(draws < 0.6, 1.25, 0.0)).reshape(case["batch"], width)


def golden(case):
    net = ResNet(case["kind"], case["shape"][0], case["classes"]).double()
    parameters, buffers = fill(net)
    images, _ = batch(case, 0)
    net.eval()
    logits, features = net(images, factors_of(case, net, 0))
    result = dict(case, lr=LR, weight_decay=WEIGHT_DECAY, momentum=MOMENTUM, torch=torch.__version__,
                  logits=logits.detach().reshape(-1).tolist(), features=digest([features])[0])
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
    result["losses"] = []
    for step in range(case["steps"]):
        images, labels = batch(case, step)
        logits, _ = net(images, factors_of(case, net, step))
        loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            result["row_losses"] = F.cross_entropy(logits, labels, reduction="none").tolist()
            result["gradients"] = digest([p.grad for p in parameters])
            result["buffers"] = digest(buffers)
        optimizer.step()
        result["losses"].append(loss.item())
    result["last_parameters"] = digest(parameters)
    result["last_buffers"] = digest(buffers)
    return result


def main():
    torch.manual_seed(0)
    for name, case in CASES.items():
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"conv_{name}.json")
        with open(path, "w") as file:
            json.dump(golden(case), file, separators=(",", ":"))
            file.write("\n")
        print(path)


if __name__ == "__main__":
    main()
