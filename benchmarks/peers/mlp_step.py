# SPDX-License-Identifier: MIT
"""PyTorch's side of bench_mlp_step: one training step (32 rows, float32, SGD with weight decay, cross-entropy), one thread.

python3 benchmarks/peers/mlp_step.py [--json] [--quick]

eager:   forward, loss, zero_grad, backward, optimizer step on fixed tensors: no data loader, no .item(), no evaluation
compile: the same with the module under torch.compile (mode="max-autotune-no-cudagraphs" where it works)
vmap:    8 members at once under torch.func.vmap with an inlined SGD update; microseconds per member and step
Microseconds per step, processor time of the process with one thread, median of the repeats. NaN: did not run (the
reason goes to stderr).
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
    sys.exit("mlp_step.py: PyTorch is missing; install it (pip install torch, or Debian's python3-torch) or set PYTHON")
from torch import nn

torch.set_num_threads(1)
torch.manual_seed(0)

NETS = {
    "2-16-2": [2, 16, 2],
    "60-48-48-48-2": [60, 48, 48, 48, 2],
    "180-96x5-3": [180, 96, 96, 96, 96, 96, 3],
}
MEMBERS = 8
LR, DECAY = 0.05, 1e-4
REPEATS, STEPS = (5, 50) if "--quick" in sys.argv else (15, 150)


def network(sizes, dropout):
    layers = []
    for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
        if i > 0 and dropout > 0:
            layers.append(nn.Dropout(dropout))
        layers.append(nn.Linear(a, b))
        if i + 2 < len(sizes):
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def microseconds(step):
    for _ in range(20):
        step()
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        for _ in range(STEPS):
            step()
        times.append((time.process_time() - start) / STEPS)
    return 1e6 * statistics.median(times)


def trained(model, compiled, x, y):
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, weight_decay=DECAY)
    loss = nn.CrossEntropyLoss()

    def step():
        value = loss(compiled(x), y)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()

    return step


def eager(sizes, dropout, x, y):
    model = network(sizes, dropout)
    return trained(model, model, x, y)


def compiled(sizes, dropout, x, y):
    torch._dynamo.reset()
    model = network(sizes, dropout)
    return trained(model, torch.compile(model, mode="max-autotune-no-cudagraphs"), x, y)


def vmapped(sizes, dropout, x, y):
    from torch.func import functional_call, grad, stack_module_state, vmap

    models = [network(sizes, dropout) for _ in range(MEMBERS)]
    state, buffers = stack_module_state(models)
    base = network(sizes, dropout).to("meta")

    def loss(parameters, inputs, labels):
        return nn.functional.cross_entropy(functional_call(base, (parameters, buffers), (inputs,)), labels)

    gradients = vmap(grad(loss), in_dims=(0, 0, 0), randomness="different")
    xs, ys = x.expand(MEMBERS, *x.shape).contiguous(), y.expand(MEMBERS, *y.shape).contiguous()
    state = {name: value.detach() for name, value in state.items()}

    def step():
        for name, g in gradients(state, xs, ys).items():
            w = state[name]
            state[name] = w - LR * (g + DECAY * w)

    return step


def main():
    result = {"torch": torch.__version__, "nets": {}}
    for name, sizes in NETS.items():
        x = torch.rand(32, sizes[0])
        y = torch.randint(0, sizes[-1], (32,))
        result["nets"][name] = {}
        for key, dropout in (("plain", 0.0), ("dropout", 0.1)):
            row = {}
            for kind, make, share in (("eager", eager, 1), ("compile", compiled, 1), ("vmap", vmapped, MEMBERS)):
                try:
                    row[kind] = microseconds(make(sizes, dropout, x, y)) / share
                except Exception as error:  # a compiler that is missing, an operator without a batching rule
                    print(f"mlp_step.py: {name} {key} {kind} did not run: {error}"[:300], file=sys.stderr)
                    row[kind] = "NaN"
            result["nets"][name][key] = row
    if "--json" in sys.argv:
        print(json.dumps(result))
        return
    for name, net in result["nets"].items():
        for key, row in net.items():
            print(name, key, " ".join(f"{kind} {value}" for kind, value in row.items()))


if __name__ == "__main__":
    main()
