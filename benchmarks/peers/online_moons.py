#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What one step of the online-tuning study costs with PyTorch and Optuna on one CPU thread.

A trial is the study's: Optuna asks TPE for the nine parameters; for each of 6 splits a fresh MLP is trained with SGD
on the double softmax loss, 200 epochs, batches of 32, and after every epoch evaluated on its training and validation
rows (spec of the study: the published program does so). No DataLoader: tensors are indexed by a permutation, which
favours PyTorch. Prints JSON: seconds per gradient step at the first and at the last acquisition of Moons (15 and 175
training rows), everything included.
"""
import argparse
import json
import time

import torch


def network(sizes, p):
    layers = [torch.nn.Linear(sizes[0], sizes[1]), torch.nn.ReLU()]
    for a, b in zip(sizes[1:-2], sizes[2:-1]):
        layers += [torch.nn.Dropout(p), torch.nn.Linear(a, b), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, torch.nn.Dropout(p), torch.nn.Linear(sizes[-2], sizes[-1]), torch.nn.Softmax(1))


def fit(sizes, p, lr, weight_decay, x, y, n_train, epochs):
    model = network(sizes, p)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, weight_decay=weight_decay)
    loss_of = torch.nn.CrossEntropyLoss()
    steps, loss = 0, None
    batch = min(32, n_train)
    for _ in range(epochs):
        model.train()
        order = torch.randperm(n_train)
        for begin in range(0, n_train - batch + 1, batch):
            rows = order[begin:begin + batch]
            optimizer.zero_grad()
            loss_of(model(x[rows]), y[rows]).backward()
            optimizer.step()
            steps += 1
        model.eval()
        with torch.no_grad():
            for begin in range(0, n_train - batch + 1, batch):
                loss_of(model(x[order[begin:begin + batch]]), y[order[begin:begin + batch]]).item()
            loss = loss_of(model(x[n_train:]), y[n_train:]).item()
    return loss, steps


def seconds_per_step(n_train, trials, epochs):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    torch.manual_seed(0)
    x = torch.rand(n_train + 5, 2)
    y = (x[:, 0] > x[:, 1]).long()
    steps = 0

    def objective(trial):
        nonlocal steps
        p = trial.suggest_float("drop_rate", 1e-3, 0.5, log=True)
        depth = trial.suggest_int("depth", 1, 5)
        widths = [trial.suggest_int(f"width_{i}", 2, 96) for i in range(depth)]
        lr = trial.suggest_float("lr", 1e-4, 0.5)
        weight_decay = trial.suggest_float("weight_decay", 1e-6, 1e-1, log=True)
        total = 0.0
        for fold in range(6):
            loss, done = fit([2, *widths, 2], p, lr, weight_decay, x, y, n_train, epochs)
            steps += done
            total += loss
            trial.report(total / (fold + 1), fold)
            if trial.should_prune():
                raise optuna.TrialPruned()
        return total / 6

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0),
                                pruner=optuna.pruners.MedianPruner(n_startup_trials=10, n_warmup_steps=2))
    begin = time.perf_counter()
    study.optimize(objective, n_trials=trials)
    return (time.perf_counter() - begin) / steps


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=40, help="shorter than the study's 200; the cost per step is the same")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    import optuna

    seconds_per_step(15, 1, 5)  # warm up
    print(json.dumps({
        "torch": torch.__version__, "optuna": optuna.__version__, "threads": 1,
        "seconds_per_step_15_rows": seconds_per_step(15, arguments.trials, arguments.epochs),
        "seconds_per_step_175_rows": seconds_per_step(175, arguments.trials, arguments.epochs),
    }))


if __name__ == "__main__":
    main()
