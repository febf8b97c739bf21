# SPDX-License-Identifier: MIT
"""Keychain (section 9 of the online-tuning study) from a straightforward program in float64.

Made with Python 3.11 and NumPy 2.4.6:  python3 make_keychain_goldens.py
Writes keychain.json: "passes", the arithmetic of the credits for given losses, and "runs", whole selections with
networks that are trained here. Nothing here knows quarry but for its random streams: the protocol's Philox numbers for
weights and row orders, NumPy's legacy streams for the rest. Searches are short enough to be start-up trials only.
"""
import json
import math
import os

import numpy as np

MASK32, MASK64 = 2**32 - 1, 2**64 - 1


# --- random numbers of the protocol -------------------------------------------------------------------------------

def mix64(x):
    x ^= x >> 30
    x = x * 0xBF58476D1CE4E5B9 & MASK64
    x ^= x >> 27
    x = x * 0x94D049BB133111EB & MASK64
    return x ^ (x >> 31)


def hash_combine(h, value):
    return mix64(((h ^ value) + 0x9E3779B97F4A7C15) & MASK64)


def stream_key(seed, purpose):
    return hash_combine(hash_combine(hash_combine(0, seed), purpose), 0)


def philox(key, element, step):
    low, high = key & MASK32, key >> 32
    c = [element & MASK32, element >> 32, step, 0]
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ low, p1 & MASK32, (p0 >> 32) ^ c[3] ^ high, p0 & MASK32]
        low, high = (low + 0x9E3779B9) & MASK32, (high + 0xBB67AE85) & MASK32
    return c


def row_order(key, epoch, n):
    return sorted(range(n), key=lambda i: (philox(key, i, epoch)[0], i))


# --- networks -------------------------------------------------------------------------------------------------------

def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class Network:
    def __init__(self, sizes, loss, seed):
        self.loss = loss
        key, at, self.layers = stream_key(seed, 1), 0, []
        for fan_in, fan_out in zip(sizes, sizes[1:]):
            n = (fan_in + 1) * fan_out
            u = np.array([(philox(key, i // 4, 0)[i % 4] + 0.5) / 2**32 for i in range(at, at + n)])
            u = (2 * u - 1) / math.sqrt(fan_in)
            self.layers.append([u[: fan_in * fan_out].reshape(fan_out, fan_in), u[fan_in * fan_out:]])
            at += n

    def forward(self, x):
        self.inputs = []
        for i, (w, b) in enumerate(self.layers):
            self.inputs.append(x)
            x = x @ w.T + b
            if i + 1 < len(self.layers):
                x = np.maximum(x, 0)
        return x

    def mean_loss(self, x, y):
        z = self.forward(x)
        if self.loss == "mse":
            return ((z - y) ** 2).mean()
        q = softmax(softmax(z)) if self.loss == "ce_on_probs" else softmax(z)
        return -(y * np.log(q)).sum(axis=1).mean()

    def step(self, x, y, lr, decay):
        z = self.forward(x)
        if self.loss == "mse":
            g = 2 * (z - y) / z.size
        elif self.loss == "ce_on_logits":
            g = (softmax(z) - y) / len(x)
        else:
            p = softmax(z)
            g = (softmax(p) - y) / len(x)
            g = p * (g - (p * g).sum(axis=1, keepdims=True))
        for layer, inputs in reversed(list(zip(self.layers, self.inputs))):
            w, b = layer
            below = g @ w * (inputs > 0)
            layer[0] = w - lr * (g.T @ inputs + decay * w)
            layer[1] = b - lr * (g.sum(axis=0) + decay * b)
            g = below


def train(x, y, rows, drop_last, h, loss, case):
    net = Network([x.shape[1]] + h["hidden"] + [y.shape[1]], loss, case["seed"])
    order_key, batch = stream_key(case["seed"], 2), case["batch_size"]
    for epoch in range(case["epochs"]):
        order = [rows[i] for i in row_order(order_key, epoch, len(rows))]
        used = len(order) // batch * batch if drop_last and len(order) > batch else len(order)
        for at in range(0, used, batch):
            part = order[at: min(at + batch, used)]
            net.step(x[part], y[part], h["lr"], h["weight_decay"])
    return net


# --- the tuner's start-up trials ------------------------------------------------------------------------------------

SPACE = {"width": (2, 7), "depth": (1, 2), "lr": (1e-4, 0.3), "weight_decay": (1e-6, 1e-1), "drop_rate": (1e-3, 0.5)}


class Draws:
    def __init__(self, seed):
        self.random = np.random.RandomState(seed)

    def real(self, low, high):
        return low + (high - low) * self.random.random_sample()

    def log(self, low, high):
        return math.exp(self.real(math.log(low), math.log(high)))

    def integer(self, low, high):
        if low == high:
            return low
        return min(max(round(self.real(low - 0.5, high + 0.5)), low), high)


def meta_point(draws):
    draws.log(*SPACE["drop_rate"])
    depth = draws.integer(*SPACE["depth"])
    hidden = [draws.integer(*SPACE["width"]) for _ in range(depth)]
    return {"hidden": hidden, "lr": draws.real(*SPACE["lr"]), "weight_decay": draws.log(*SPACE["weight_decay"])}


def autoencoder_point(draws):
    w0 = draws.integer(*SPACE["width"])
    bottleneck = draws.integer(2, min(max(2, w0 // 2), max(2, SPACE["width"][1] // 2)))
    kappa = draws.real(0.1, 0.5)
    sides, w = [], w0
    while w > bottleneck:
        sides.append(w)
        w = math.floor(kappa * w)
    hidden = sides + [bottleneck] + sides[::-1]
    return {"hidden": hidden, "lr": draws.real(*SPACE["lr"]), "weight_decay": draws.log(*SPACE["weight_decay"])}


def splits(n, share, repeats, seed):
    """Of positions in the pool's list of labelled instances."""
    random, n_val, result = np.random.RandomState(seed), math.ceil(share * n), []
    for _ in range(repeats):
        order = random.permutation(n)
        result.append((list(order[n_val:]), list(order[:n_val])))
    return result


def tune_and_fit(x, y, loss, point, trials, case):
    """All rows unviolated; one share for splits and drop-last rule, or 0.3 in the meta model's rule (B14)."""
    share = 0.3 if case["meta_share"] == "three_tenths" else case["val_share"]
    rule = 0.3 if case["meta_share"] == "mixed" and point is meta_point else share
    drop = int(len(x) * (1 - rule)) > case["batch_size"]
    pool = np.random.RandomState(case["seed"]).permutation(len(x))  # the order of its labelled instances
    folds = [(pool[tr], pool[va]) for tr, va in splits(len(x), share, case["repeats"], case["seed"])]
    draws, values = Draws(case["seed"]), []
    points = [point(draws) for _ in range(trials)]
    for h in points:
        losses = [train(x, y, tr, drop, h, loss, case).mean_loss(x[va], y[va]) for tr, va in folds]
        values.append(float(np.mean(losses)))
    chosen = int(np.argmin(values))
    return train(x, y, folds[0][0], drop, points[chosen], loss, case), values, chosen


# --- credits --------------------------------------------------------------------------------------------------------

def sigmoid(x):
    return 1 / (1 + math.exp(-x))


class Passes:
    """Positions 0 ... first-1 are the unviolated training part, then come the added."""

    def __init__(self, form, first, second, n_draws, share, steepness, base):
        self.form, self.groups, self.n = form, [(0, first), (first, second)], first + second
        self.n_draws, self.share, self.steepness, self.base = n_draws, share, steepness, base
        self.credits = np.full(self.n, 1.0 if form == "duplicate" else 0.0)
        self.prob = np.full(self.n, 1 / self.n)
        self.count = np.ones(self.n)
        self.mean_count = np.ones(self.n)

    def rows(self, i):
        random = np.random.RandomState(i)
        if self.form == "draws":
            self.extra = random.choice(self.n, self.n_draws, replace=True, p=self.prob)
            return list(range(self.n)) + self.extra.tolist()
        chosen = set()
        for begin, size in self.groups[::-1]:  # the added first
            if not size:
                continue
            if self.form == "duplicate":
                chosen |= {begin + int(k) for k in random.choice(size, int(self.share * size), replace=False)}
                continue
            p = self.count[begin: begin + size]
            kept = random.choice(size, int((1 - self.share) * size), replace=False, p=p / p.sum())
            chosen |= set(range(begin, begin + size)) - {begin + int(k) for k in kept}
        self.extra = np.array(sorted(chosen), dtype=int)
        self.count[self.extra] += 1
        if self.form == "leave_out":
            return [k for k in range(self.n) if k not in chosen]
        return list(range(self.n)) + self.extra.tolist()

    def tell(self, loss):
        if self.form == "draws":
            gain = 1 - loss / self.base
            if not (math.isfinite(loss) and math.isfinite(gain)):
                return
            c = np.ones(self.n)
            np.add.at(c, self.extra, 1)
            self.credits += c * gain
            weights = self.credits - self.credits.min() + 1e-9
            self.prob = weights / weights.sum()
            return
        x = self.steepness * (loss - self.base) if self.form == "leave_out" else self.base / loss
        if not (math.isfinite(loss) and math.isfinite(x)):
            return
        for k in self.extra:  # a running mean whose first value takes the place of the initial one
            self.credits[k] += (x - self.credits[k]) / self.mean_count[k]
            self.mean_count[k] += 1

    def targets(self):
        if self.form == "draws":
            return self.credits.copy()
        if self.form == "leave_out":
            return np.array([sigmoid(c) for c in self.credits])
        return np.array([sigmoid(self.steepness * (c - 1)) for c in self.credits])


def pass_case(form, first, second, passes, n_draws, share, steepness, base, losses):
    p = Passes(form, first, second, n_draws, share, steepness, base)
    rows = []
    for i in range(passes):
        rows.append(p.rows(i))
        p.tell(losses[i])
    return {"form": form, "first": first, "second": second, "passes": passes, "n_draws": n_draws, "share": share,
            "steepness": steepness, "base_loss": base,
            "losses": [x if math.isfinite(x) else str(x).replace("nan", "NaN").replace("inf", "Infinity")
                       for x in losses],
            "rows": rows, "credits": p.credits.tolist(),
            "probabilities": p.prob.tolist() if form == "draws" else [], "targets": p.targets().tolist()}


# --- whole selections -----------------------------------------------------------------------------------------------

def run(case):
    x = np.array(case["x"], dtype=np.float64)
    labels = np.array(case["labels"])
    y = np.eye(2)[labels]
    seed, vs, batch = case["seed"], case["val_share"], case["batch_size"]
    initial = np.random.RandomState(seed).permutation(len(x))[: case["n_initial"]].tolist()
    tr, va = splits(case["n_initial"], vs, 1, seed)[0]
    first, val = [initial[i] for i in tr], [initial[i] for i in va]
    h = {"hidden": case["hidden"], "lr": case["lr"], "weight_decay": case["weight_decay"]}
    form = {"keychain": case["form"]}.get(case["strategy"], "draws")
    added, buffer, out = [], [], []
    for _ in range(case["budget"]):
        count = int(case["n_initial"] * (1 - vs))
        net = train(x, y, first + added, count + len(added) > batch, h, case["loss"], case)
        base = net.mean_loss(x[val], y[val])
        u, a = sorted(first), sorted(added)
        rows = sorted(u + a) if form == "draws" else u + a
        p = Passes(form, len(u), len(a), case["budget"] - len(added), case["share"], case["steepness"], base)
        losses = []
        for i in range(case["passes"]):
            positions = p.rows(i)
            newly = len(positions) if form == "draws" else sum(k >= len(u) for k in positions)
            again = train(x, y, [rows[k] for k in positions], count + newly > batch, h, case["loss"], case)
            losses.append(again.mean_loss(x[val], y[val]))
            p.tell(losses[-1])

        def inputs(index):
            return np.hstack([x[index], softmax(net.forward(x[index]))])

        record = {"base_loss": base, "losses": losses, "credits": p.credits.tolist(), "instances": rows}
        error = None
        if case["strategy"] == "keychain_autoencoder":
            v = inputs(initial + added)
            autoencoder, record["ae_values"], record["ae_chosen"] = tune_and_fit(
                v, v, "mse", autoencoder_point, case["ae_trials"], case)
            record["ae_hidden"] = [len(b) for _, b in autoencoder.layers[:-1]]

            def error(v):
                e = autoencoder.forward(v) - v
                return e.sum(axis=1) ** 2 if case["ae_error"] == "square_of_sum" else (e ** 2).sum(axis=1)

        def features(index):
            v = inputs(index)
            return v if error is None else np.hstack([v, error(v)[:, None]])

        buffer = (buffer + [(features(rows), p.targets())])[-case["capacity"]:]
        f, t = np.vstack([b[0] for b in buffer]), np.concatenate([b[1] for b in buffer])
        if form == "draws":
            t, loss = ((t - t.mean()) / t.std())[:, None], "mse"
        else:
            t, loss = np.column_stack([t, 1 - t]), case["loss"]
        meta, record["meta_values"], record["meta_chosen"] = tune_and_fit(
            f, t, loss, meta_point, case["trials"], case)
        candidates = [i for i in range(len(x)) if i not in initial and i not in added]
        said = meta.forward(features(candidates))
        scores = said[:, 0] if form == "draws" else softmax(said)[:, 0]
        ordered = np.sort(scores)
        record["gap"] = float(ordered[-1] - ordered[-2])
        record["scores"] = scores.tolist()
        record["pick"] = candidates[int(np.argmax(scores))]
        added.append(record["pick"])
        out.append(record)
    return dict(case, iterations=out)


def main():
    random = np.random.RandomState(7)
    losses = random.uniform(0.4, 0.9, 25).tolist()
    broken = losses[:4] + [math.nan, math.inf] + losses[6:]
    passes = [pass_case("draws", 7, 0, 20, 30, 0, 0, 0.6, losses), pass_case("draws", 1, 0, 3, 4, 0, 0, 0.6, losses),
              pass_case("draws", 150, 0, 20, 90, 0, 0, 0.6, losses), pass_case("draws", 6, 0, 12, 9, 0, 0, 0.6, broken)]
    for form, share, steepness in (("leave_out", 0.1, 10), ("leave_out", 0.3, 2.5), ("duplicate", 0.2, 250),
                                   ("duplicate", 0.35, 20)):
        for first, second in ((10, 0), (10, 7), (15, 40)):
            passes.append(pass_case(form, first, second, 25, 0, share, steepness, 0.6, losses))
    for form in ("leave_out", "duplicate"):
        passes.append(pass_case(form, 8, 3, 12, 0, 0.2, 10, 0.6, broken))

    angle = random.uniform(0, math.pi, 40)
    labels = (np.arange(40) % 2).tolist()
    points = np.column_stack([np.cos(angle) + np.where(labels, 1, 0), np.where(labels, -1, 1) * np.sin(angle)])
    points = (points + random.normal(0, 0.3, points.shape)).astype(np.float32)
    base = {"x": points.astype(float).tolist(), "labels": labels, "n_initial": 16, "val_share": 0.25,
            "budget": 3, "batch_size": 8, "epochs": 12, "hidden": [6, 5], "lr": 0.4, "weight_decay": 0.001,
            "loss": "ce_on_probs", "form": "leave_out", "passes": 6, "share": 0.2, "steepness": 10, "capacity": 1,
            "trials": 6, "repeats": 3, "ae_trials": 4, "ae_error": "square_of_sum", "meta_share": "mixed"}
    runs = [run(dict(base, **more)) for more in (
        {"strategy": "keychain_naive", "seed": 10},  # seeds without near-ties or dead meta models, whose scores all tie
        {"strategy": "keychain_naive", "batch_size": 13, "seed": 1},  # passes drop a batch because of what is added
        {"strategy": "keychain_naive", "capacity": 2, "meta_share": "val_share", "seed": 10},
        {"strategy": "keychain_autoencoder", "batch_size": 11, "seed": 8},  # an autoencoder drops what 0.3 would not
        {"strategy": "keychain_autoencoder", "ae_error": "sum_of_squares", "meta_share": "three_tenths", "seed": 1},
        {"strategy": "keychain", "seed": 9},
        {"strategy": "keychain", "loss": "ce_on_logits", "seed": 4},
        {"strategy": "keychain", "form": "duplicate", "steepness": 250, "capacity": 2, "seed": 11})]
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "keychain.json")
    with open(path, "w") as file:
        json.dump({"space": SPACE, "passes": passes, "runs": runs}, file)
        file.write("\n")


if __name__ == "__main__":
    main()
