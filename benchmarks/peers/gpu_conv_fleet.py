# SPDX-License-Identifier: MIT
"""The rivals' side of bench_conv_fleet on a GPU: images per second of residual networks in training, batches of 32.

python3 gpu_conv_fleet.py [--device cuda] [--members 1 10 40] [--network resnet18]   -> JSON on standard output

eager_tf32:      one network, channels_last, float32 with TF32, cudnn.benchmark
eager_amp:       the same under autocast to bfloat16
compiled_amp:    that through torch.compile
graph_amp:       that (not compiled) as one CUDA graph a step
streams_amp:     M of these graphs, each on a stream of its own
vmap_amp, vmap_graph_amp: M networks under torch.func.vmap with an inlined SGD update, and as one CUDA graph
On fixed tensors: no data loader and no augmentation, which ours includes. SGD with momentum and weight decay. The best of
three, wall-clock with synchronisation. "missing" where it cannot run.
"""
import argparse
import json

import torch
from torch import nn
from torch.nn import functional as F

import conv_step
from gpu_torch import attempt, best_seconds, graphed

LR, MOMENTUM, DECAY, ROWS = 1e-4, 0.9, 5e-4, 32


class Rival:
    """A step that trains `members` networks on a batch each."""

    def __init__(self, step, members=1):
        self.step, self.members = step, members


def images_per_second(rival, device, steps):
    for _ in range(3):
        rival.step()

    def work():
        for _ in range(steps):
            rival.step()

    return rival.members * steps * ROWS / best_seconds(work, device)


def network(name, device):
    widths, blocks, _ = conv_step.NETS[name]
    return conv_step.network(widths, blocks).to(device, memory_format=torch.channels_last)


def batch(device):
    x = torch.randn(ROWS, 3, 32, 32, device=device).to(memory_format=torch.channels_last)
    return x, torch.randint(0, 10, (ROWS,), device=device)


def trainer(name, device, amp, compiled=False, for_graph=False):
    model, (x, y) = network(name, device), batch(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=DECAY, foreach=True)
    forward = torch.compile(model) if compiled else model

    def step():
        optimizer.zero_grad(set_to_none=not for_graph)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=amp):
            loss = F.cross_entropy(forward(x), y)
        loss.backward()
        optimizer.step()

    return step


def streams(name, device, members):
    replays = [graphed(trainer(name, device, True, for_graph=True), device) for _ in range(members)]
    queues = [torch.cuda.Stream(device) for _ in range(members)]

    def step():
        for queue, replay in zip(queues, replays):
            with torch.cuda.stream(queue):
                replay()

    return Rival(step, members)


def vmapped(name, device, members):
    from torch.func import functional_call, grad, stack_module_state, vmap

    models = [network(name, device) for _ in range(members)]
    for model in models:  # running statistics cannot be updated in place under vmap: batch statistics alone
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.track_running_stats, module.running_mean, module.running_var = False, None, None
                module.num_batches_tracked = None
    state, buffers = stack_module_state(models)
    base = models[0]
    state = {key: value.detach() for key, value in state.items()}
    velocity = {key: torch.zeros_like(value) for key, value in state.items()}
    x, y = batch(device)
    xs, ys = x.expand(members, *x.shape).contiguous(), y.expand(members, *y.shape).contiguous()

    def loss(parameters, inputs, labels):
        rounded = {key: value.bfloat16() for key, value in parameters.items()}  # autocast does not work under vmap
        return F.cross_entropy(functional_call(base, (rounded, {}), (inputs.bfloat16(),)).float(), labels)

    gradients = vmap(grad(loss))

    def step():
        for key, g in gradients(state, xs, ys).items():
            velocity[key].mul_(MOMENTUM).add_(g + DECAY * state[key])
            state[key].sub_(LR * velocity[key])

    return step


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--members", type=int, nargs="+", default=[1, 10, 40])
    parser.add_argument("--network", default="resnet18", choices=sorted(conv_step.NETS))
    parser.add_argument("--steps", type=int, default=50)
    o = parser.parse_args()
    device = torch.device(o.device)
    cuda = device.type == "cuda"
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    rows = []

    def row(what, members, make):
        def work():
            rival = make()
            return images_per_second(rival, device, max(2, o.steps // members))

        rows.append({"network": o.network, "what": what, "members": members, "images_per_s": attempt(what, work)})
        if cuda:
            torch.cuda.empty_cache()

    row("eager_tf32", 1, lambda: Rival(trainer(o.network, device, False)))
    row("eager_amp", 1, lambda: Rival(trainer(o.network, device, True)))
    row("compiled_amp", 1, lambda: Rival(trainer(o.network, device, True, compiled=True)))
    if cuda:
        row("graph_amp", 1, lambda: Rival(graphed(trainer(o.network, device, True, for_graph=True), device)))
    for m in o.members:
        if cuda and m > 1:
            row("streams_amp", m, lambda: streams(o.network, device, m))
        row("vmap_amp", m, lambda: Rival(vmapped(o.network, device, m), m))
        if cuda:
            row("vmap_graph_amp", m, lambda: Rival(graphed(vmapped(o.network, device, m), device), m))
    print(json.dumps({"torch": torch.__version__,
                      "device_name": torch.cuda.get_device_name(device) if cuda else "cpu", "rows": rows}))


if __name__ == "__main__":
    main()
