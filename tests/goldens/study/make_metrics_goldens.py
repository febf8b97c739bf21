# SPDX-License-Identifier: MIT
"""Goldens of src/study/metrics.cpp, from scikit-learn 1.9.1 (Python 3.11).

python tests/goldens/study/make_metrics_goldens.py > tests/goldens/study/metrics.json

The area under the ROC curve of several classes is the mean over the classes that have both members and others
("one against the rest", macro): scikit-learn's own multi_class="ovr" wherever every class occurs.
"""
import json

import numpy as np
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

rng = np.random.default_rng(11)


def case(name, classes, rows, labels=None, step=None, repeat=0, lean=0.0):
    z = rng.normal(size=(rows, classes)).astype(np.float32)
    y = rng.integers(0, classes, rows) if labels is None else rng.choice(labels, rows)
    z[np.arange(rows), y] += np.float32(lean)
    if step:  # ties within a class and across
        z = (np.round(z / step) * step).astype(np.float32)
    for i in range(repeat):  # whole rows again, under other labels
        z[rows - 1 - i] = z[i]
    z64 = z.astype(np.float64)
    p = np.exp(z64 - z64.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    areas = [roc_auc_score(y == c, p[:, c]) for c in range(classes) if 0 < np.sum(y == c) < rows]
    auc = float(np.mean(areas)) if areas else "NaN"
    if len(np.unique(y)) == classes:
        whole = roc_auc_score(y, p[:, 1]) if classes == 2 else roc_auc_score(y, p, multi_class="ovr", average="macro")
        assert abs(whole - auc) < 1e-14
    return {"name": name, "classes": classes, "logits": [float(v) for v in z.ravel()], "labels": [int(v) for v in y],
            "auc": auc, "nll": float(log_loss(y, p, labels=list(range(classes)))),
            "accuracy": float(accuracy_score(y, p.argmax(axis=1)))}


cases = [
    case("two classes", 2, 40, lean=1.0),
    case("two classes, many ties", 2, 60, step=1.0, lean=0.5),
    case("two classes, all scores equal", 2, 12, step=100.0),
    case("two classes, perfect", 2, 20, lean=50.0),
    case("one class only", 2, 10, labels=[1]),
    case("three classes, repeated rows", 3, 45, repeat=12, lean=0.7),
    case("three classes, one absent", 3, 30, labels=[0, 2], repeat=6),
    case("ten classes", 10, 80, repeat=15, lean=0.9),
]
print("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]")
