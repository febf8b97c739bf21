# SPDX-License-Identifier: MIT
"""The rivals' side of bench_mlp_fleet on a GPU: training steps per second of small perceptrons (32 rows, SGD).

python3 gpu_mlp_fleet.py [--device cuda] [--members 6 144]   -> JSON on standard output

eager:      one network, forward, loss, zero_grad, backward, step on fixed tensors
graph:      the same step as one CUDA graph
vmap_graph: M networks under torch.func.vmap with an inlined SGD update, as one CUDA graph
jax_scan:   M networks under vmap, the steps of an epoch under lax.scan in one compiled program (where JAX is installed)
Steps of single members per second, the best of three, wall-clock with synchronisation. "missing" where it cannot run.
"""
import argparse
import json
import time

import torch
from torch import nn

from gpu_torch import attempt, best_seconds, graphed

NETS = {"2-16-2": [2, 16, 2], "60-48-48-48-2": [60, 48, 48, 48, 2], "180-96x5-3": [180, 96, 96, 96, 96, 96, 3]}
LR, DECAY, DROPOUT, ROWS, STEPS = 0.05, 1e-4, 0.1, 32, 200


def network(sizes):
    layers = []
    for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
        if i > 0:
            layers.append(nn.Dropout(DROPOUT))
        layers.append(nn.Linear(a, b))
        if i + 2 < len(sizes):
            layers.append(nn.ReLU())
    return nn.Sequential(*layers, nn.Softmax(1))


def steps_per_second(step, device, members=1):
    for _ in range(10):
        step()

    def work():
        for _ in range(STEPS):
            step()

    return members * STEPS / best_seconds(work, device)


def eager(sizes, x, y, capturable):
    model = network(sizes).to(x.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, weight_decay=DECAY)
    loss = nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad(set_to_none=not capturable)
        loss(model(x), y).backward()
        optimizer.step()

    return step


def vmapped(sizes, x, y, members):
    from torch.func import functional_call, grad, stack_module_state, vmap

    models = [network(sizes).to(x.device) for _ in range(members)]
    state, buffers = stack_module_state(models)
    base = network(sizes).to("meta")

    def loss(parameters, inputs, labels):
        return nn.functional.cross_entropy(functional_call(base, (parameters, buffers), (inputs,)), labels)

    gradients = vmap(grad(loss), in_dims=(0, 0, 0), randomness="different")
    xs, ys = x.expand(members, *x.shape).contiguous(), y.expand(members, *y.shape).contiguous()
    state = {name: value.detach() for name, value in state.items()}

    def step():
        for name, g in gradients(state, xs, ys).items():
            state[name].sub_(LR * (g + DECAY * state[name]))

    return step


def jax_scan(sizes, members):
    import jax
    import jax.numpy as jnp

    def loss(parameters, key, x, y):
        for i, (w, b) in enumerate(parameters):
            if i > 0:
                key, use = jax.random.split(key)
                x = jnp.where(jax.random.bernoulli(use, 1 - DROPOUT, x.shape), x / (1 - DROPOUT), 0)
            x = x @ w + b
            if i + 1 < len(parameters):
                x = jnp.maximum(x, 0)
        return -jnp.take_along_axis(jax.nn.log_softmax(jax.nn.softmax(x)), y[:, None], 1).mean()

    def train(parameters, key, x, y):
        def step(carry, _):
            parameters, key = carry
            key, use = jax.random.split(key)
            g = jax.grad(loss)(parameters, use, x, y)
            return (jax.tree.map(lambda w, d: w - LR * (d + DECAY * w), parameters, g), key), 0

        return jax.lax.scan(step, (parameters, key), None, length=STEPS)[0][0]

    keys = jax.random.split(jax.random.PRNGKey(0), members)
    parameters = [(0.1 * jax.random.normal(keys[0], (members, a, b)), jnp.zeros((members, b)))
                  for a, b in zip(sizes, sizes[1:])]
    x = jax.random.normal(keys[0], (members, ROWS, sizes[0]))
    y = jnp.zeros((members, ROWS), int)
    program = jax.jit(jax.vmap(train))
    jax.block_until_ready(program(parameters, keys, x, y))
    best = float("inf")
    for _ in range(3):
        begin = time.perf_counter()
        jax.block_until_ready(program(parameters, keys, x, y))
        best = min(best, time.perf_counter() - begin)
    return members * STEPS / best


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--members", type=int, nargs="+", default=[6, 144])
    o = parser.parse_args()
    device = torch.device(o.device)
    cuda = device.type == "cuda"
    rows = []
    for name, sizes in NETS.items():
        x = torch.rand(ROWS, sizes[0], device=device)
        y = torch.randint(0, sizes[-1], (ROWS,), device=device)

        def row(what, members, work):
            rows.append({"net": name, "what": what, "members": members, "steps_per_s": attempt(f"{name} {what}", work)})

        row("eager", 1, lambda: steps_per_second(eager(sizes, x, y, False), device))
        if cuda:
            row("graph", 1, lambda: steps_per_second(graphed(eager(sizes, x, y, True), device), device))
        for m in o.members:
            step = attempt(f"{name} vmap", lambda: vmapped(sizes, x, y, m))
            if callable(step):
                row("vmap_graph" if cuda else "vmap", m,
                    lambda: steps_per_second(graphed(step, device) if cuda else step, device, m))
            row("jax_scan", m, lambda: jax_scan(sizes, m))
    print(json.dumps({"torch": torch.__version__,
                      "device_name": torch.cuda.get_device_name(device) if cuda else "cpu", "rows": rows}))


if __name__ == "__main__":
    main()
