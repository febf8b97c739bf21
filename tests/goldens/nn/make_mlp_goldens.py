# SPDX-License-Identifier: MIT
"""Ten training steps of small networks in PyTorch, float64: losses, first gradients, last parameters.

Made with Python 3.11, PyTorch 2.15.0 (CPU), NumPy: python3 make_mlp_goldens.py writes mlp_*.json beside itself.
Inputs and initial parameters come from a rational formula that the test repeats; dropout masks from a Philox4x32-10
written here, apart from quarry's.
"""
import json
import os

import numpy as np
import torch
from torch import nn

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
STEPS, KEY = 10, 0x0123456789ABCDEF


def value(i):
    """In [-1, 1): the same double in every language."""
    return ((i * 7919 + 104729) % 20011) / 10005.5 - 1


def philox(c0, c1, c2, c3):
    c = [np.asarray(x, dtype=np.uint64) for x in np.broadcast_arrays(c0, c1, c2, c3)]
    k0, k1 = KEY & 0xFFFFFFFF, KEY >> 32
    mask = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        p0, p1 = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(p1 >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), p1 & mask, (p0 >> np.uint64(32)) ^ c[3] ^ np.uint64(k1), p0 & mask]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c)


def keep(rows, units, step, layer, rate):
    """[rows][units] of True where the unit is kept."""
    r, u = np.meshgrid(np.arange(rows), np.arange(units), indexing="ij")
    words = philox(r, u // 4, step, layer)
    picked = np.take_along_axis(words, (u % 4)[None], axis=0)[0]
    return torch.from_numpy(picked >= np.uint64(int(rate * 2**32)))


def run(case):
    sizes, batch, rate = case["sizes"], case["batch"], case["dropout"]
    rows = (STEPS - 1) * batch + min(batch, 5)  # the last batch is short
    d, classes = sizes[0], sizes[-1]
    x = torch.tensor([value(i) for i in range(rows * d)]).reshape(rows, d)
    target = torch.tensor([value(i + 3) for i in range(rows * classes)]).reshape(rows, classes)
    label = torch.tensor([(i * 31 + i // 7) % classes for i in range(rows)])
    layers, at = [], 0
    for a, b in zip(sizes, sizes[1:]):
        linear = nn.Linear(a, b)
        with torch.no_grad():
            flat = torch.tensor([value(at + i + 11) for i in range(a * b + b)]) / a**0.5
            linear.weight.copy_(flat[: a * b].reshape(b, a))
            linear.bias.copy_(flat[a * b :])
        at += a * b + b
        layers.append(linear)
    parameters = [p for layer in layers for p in layer.parameters()]
    if case["optimizer"] == "adam":
        optimizer = torch.optim.Adam(parameters, lr=case["lr"], weight_decay=case["weight_decay"])
    else:
        optimizer = torch.optim.SGD(parameters, lr=case["lr"], weight_decay=case["weight_decay"], momentum=case["momentum"])
    losses, first = [], None
    for step in range(STEPS):
        part = slice(step * batch, min(rows, (step + 1) * batch))
        a = x[part]
        for l, layer in enumerate(layers):
            a = layer(a)
            if l + 1 < len(layers):
                a = torch.relu(a)
                if rate > 0:
                    a = a * keep(a.shape[0], a.shape[1], step, l, rate) / (1 - rate)
        if case["loss"] == "mse":
            loss = nn.functional.mse_loss(a, target[part])
        elif case["loss"] == "ce_on_logits":
            loss = nn.functional.cross_entropy(a, label[part])
        else:
            loss = nn.functional.cross_entropy(torch.softmax(a, dim=1), label[part])
        optimizer.zero_grad()
        loss.backward()
        if first is None:
            first = torch.cat([p.grad.flatten() for p in parameters]).tolist()
        optimizer.step()
        losses.append(loss.item())
    last = torch.cat([p.detach().flatten() for p in parameters]).tolist()
    short = lambda values: [float(f"{v:.12g}") for v in values]
    return {**case, "rows": rows, "losses": losses, "first_gradient": short(first), "last_parameters": short(last)}


SMALL, WIDE, DEEP = [2, 16, 2], [3, 7, 5, 3], [60, 48, 48, 48, 2]
FIELDS = ("sizes", "batch", "loss", "optimizer", "lr", "weight_decay", "momentum", "dropout")
CASES = {
    "small": [
        (SMALL, 32, "ce_on_logits", "sgd", 0.1, 0.0, 0.0, 0.0),
        (SMALL, 32, "ce_on_probs", "sgd", 0.4, 0.01, 0.0, 0.25),
        (SMALL, 7, "mse", "adam", 0.01, 0.0, 0.0, 0.0),
        (WIDE, 20, "mse", "sgd", 0.05, 0.001, 0.9, 0.0),
        (WIDE, 33, "ce_on_logits", "adam", 0.01, 0.01, 0.0, 0.5),
        (WIDE, 64, "ce_on_probs", "sgd", 0.3, 0.0, 0.5, 0.0),
        ([4, 3], 16, "ce_on_logits", "sgd", 0.2, 0.1, 0.0, 0.0),
    ],
    "deep": [(DEEP, 32, "ce_on_probs", "sgd", 0.3, 1e-4, 0.0, 0.0)],
    "deep_dropout": [(DEEP, 40, "ce_on_logits", "sgd", 0.05, 1e-4, 0.9, 0.1)],
}

if __name__ == "__main__":
    folder = os.path.dirname(os.path.abspath(__file__))
    for name, cases in CASES.items():
        with open(os.path.join(folder, f"mlp_{name}.json"), "w") as out:
            json.dump({"torch": torch.__version__.split("+")[0], "cases": [run(dict(zip(FIELDS, c))) for c in cases]}, out)
            out.write("\n")
