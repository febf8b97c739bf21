#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Small files for the reader tests, written by NumPy 1.24.4 and scikit-learn 1.2.2.

usage: python3 make_reader_goldens.py        (writes beside this file)

Every array holds the values 0, 1, 2, ... of its C order minus 3 (plus 3 for unsigned types, odd for bool).
"""
import gzip
import pathlib
import struct

import numpy as np
import sklearn
from sklearn.datasets import dump_svmlight_file

assert np.__version__ == "1.24.4" and sklearn.__version__ == "1.2.2"
OUT = pathlib.Path(__file__).parent


def sample(dtype, shape):
    counts = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    kind = np.dtype(dtype).kind
    return (counts % 2 == 1 if kind == "b" else counts + 3 if kind == "u" else counts - 3).astype(dtype)


arrays = {}
for code in "b1 u1 i1 u2 i2 u4 i4 u8 i8 f2 f4 f8".split():
    for order, name in (("<", "little"), (">", "big")):
        arrays[f"{name}_{code}"] = sample(order + code, (3, 4))
arrays["fortran_f4"] = np.asfortranarray(sample("<f4", (3, 4)))
arrays["fortran_big_i2"] = np.asfortranarray(sample(">i2", (2, 3, 5)))
arrays["scalar_f8"] = sample("<f8", ())
arrays["vector_i8"] = sample("<i8", (7,))
arrays["empty_f4"] = sample("<f4", (0, 4))
np.savez(OUT / "arrays_stored.npz", **arrays)
np.savez_compressed(OUT / "arrays_deflated.npz", **arrays)
for version in (1, 2, 3):
    with open(OUT / f"version_{version}.npy", "wb") as file:
        np.lib.format.write_array(file, sample("<f4", (3, 4)), version=(version, 0))
np.save(OUT / "half.npy", np.array([0, -0.0, 1, -2, 65504, 2.0**-24, 2.0**-14, 1 / 3, np.inf, -np.inf, np.nan], "<f2"))

for name, code, dtype in (("u8", 8, ">u1"), ("i8", 9, ">i1"), ("i16", 0xB, ">i2"), ("i32", 0xC, ">i4"),
                          ("f32", 0xD, ">f4"), ("f64", 0xE, ">f8")):
    data = struct.pack(">HBBIII", 0, code, 3, 2, 3, 4) + sample(dtype, (2, 3, 4)).tobytes()
    (OUT / f"{name}.idx").write_bytes(data)
with open(OUT / "u8.idx.gz", "wb") as raw, gzip.GzipFile("u8.idx", "wb", fileobj=raw, mtime=0) as file:
    file.write((OUT / "u8.idx").read_bytes())

rng = np.random.RandomState(0)
x = np.where(rng.rand(20, 6) < 0.5, 0, rng.normal(0, 100, (20, 6)))
y = rng.randint(-1, 3, 20)
dump_svmlight_file(x, y, str(OUT / "table.libsvm"), zero_based=False, comment="written by scikit-learn")
np.save(OUT / "table_x.npy", x.astype("<f4"))
np.save(OUT / "table_y.npy", y.astype("<i8"))
np.savez(OUT / "table.npz", data=x.astype("<f4"), target=y)
np.savez_compressed(OUT / "keras.npz", x_train=x[:15].reshape(15, 2, 3), y_train=y[:15], x_test=x[15:].reshape(5, 2, 3),
                    y_test=y[15:])
