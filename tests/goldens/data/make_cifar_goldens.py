#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tiny CIFAR folders in both layouts, the Python one as NumPy 1.24.2 under Python 3.11 pickles it, and by hand as
NumPy under Python 2 did.

usage: /usr/bin/python3 make_cifar_goldens.py        (writes cifar/ beside this file, gzipped: most pixels are 0)

Image i of file f (0 = first batch, counting the test batch as the last) has the label (7 i + 3 f) mod classes and the
pixels (i + 1) (f + 1) at 0, 200 + i at 1024, 100 + f at 3071, and 0 elsewhere.
"""
import gzip
import pathlib
import pickle
import struct

import numpy as np

assert np.__version__ == "1.24.2"
OUT = pathlib.Path(__file__).parent / "cifar"


def images(f, n):
    data = np.zeros((n, 3072), np.uint8)
    for i in range(n):
        data[i, 0], data[i, 1024], data[i, 3071] = (i + 1) * (f + 1), 200 + i, 100 + f
    return data


def labels(f, n, classes):
    return [(7 * i + 3 * f) % classes for i in range(n)]


def write(name, data):
    path = OUT / (name + ".gz")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, mtime=0))


# What cPickle of Python 2 writes, opcode by opcode.
class Python2:
    def __init__(self):
        self.memo = 0

    def put(self):
        self.memo += 1
        return b"q" + bytes([self.memo])

    def string(self, text):
        text = text if isinstance(text, bytes) else text.encode()
        short = len(text) < 256
        return (b"U" + bytes([len(text)]) if short else b"T" + struct.pack("<i", len(text))) + text + self.put()

    def integer(self, value):
        return b"K" + bytes([value]) if value < 256 else b"M" + struct.pack("<H", value)

    def list(self, items):
        return b"]" + self.put() + b"(" + b"".join(items) + b"e"

    def array(self, data):
        head = b"cnumpy.core.multiarray\n_reconstruct\n" + self.put() + b"cnumpy\nndarray\n" + self.put()
        head += b"K\x00\x85U\x01b\x87R" + self.put()
        shape = b"".join(self.integer(extent) for extent in data.shape) + b"\x86"
        dtype = b"cnumpy\ndtype\n" + self.put() + b"U\x02u1K\x00K\x01\x87R" + self.put()
        dtype += b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        contents = data.tobytes()
        return head + b"(K\x01" + shape + dtype + b"\x89T" + struct.pack("<i", len(contents)) + contents + b"tb"

    def dump(self, members):
        body = b"\x80\x02}" + self.put() + b"("
        for key, value in members.items():
            body += self.string(key)
            if isinstance(value, np.ndarray):
                body += self.array(value)
            elif isinstance(value, list):
                body += self.list([self.integer(v) if isinstance(v, int) else self.string(v) for v in value])
            else:
                body += self.integer(value) if isinstance(value, int) else self.string(value)
        return body + b"u."


# CIFAR-10: 3 images a batch, 2 for testing.
names10 = "airplane automobile bird cat deer dog frog horse ship truck".split()
for f in range(6):
    n, name = (3, f"data_batch_{f + 1}") if f < 5 else (2, "test_batch")
    data, tags = images(f, n), labels(f, n, 10)
    records = b"".join(bytes([tag]) + row.tobytes() for tag, row in zip(tags, data))
    write(f"cifar-10-batches-bin/{name}.bin", records)
    batch = {"batch_label": f"training batch {f + 1} of 5", "labels": tags, "data": data,
             "filenames": [f"picture_{i}.png" for i in range(n)]}
    write(f"cifar-10-batches-py/{name}", Python2().dump(batch))
    if f == 0:  # the first batch again, as Python 3 writes it: keys as bytes, as they come from the published files
        as_bytes = {key.encode(): value for key, value in batch.items()}
        for protocol in (2, 3, 4, 5):
            write(f"python3/protocol_{protocol}", pickle.dumps(as_bytes, protocol))
        write("python3/text_keys", pickle.dumps(batch, 4))
        write("python3/fortran", pickle.dumps({b"labels": tags, b"data": np.asfortranarray(data)}, 2))
        write("python3/fortran_5", pickle.dumps({b"labels": tags, b"data": np.asfortranarray(data)}, 5))
        write("python3/numpy_2", pickle.dumps(as_bytes, 4).replace(b"\x8c\x15numpy.core.multiarray",
                                                                  b"\x8c\x16numpy._core.multiarray"))
        write("python3/int64", pickle.dumps({b"labels": tags, b"data": data.astype(np.int64)}, 4))
write("cifar-10-batches-bin/batches.meta.txt", ("\n".join(names10) + "\n\n").encode())
write("cifar-10-batches-py/batches.meta",
      Python2().dump({"num_cases_per_batch": 10000, "label_names": names10, "num_vis": 3072}))

# CIFAR-100: 4 images, 2 for testing; names made up.
fine = [f"fine_{c}" for c in range(100)]
coarse = [f"coarse_{c}" for c in range(20)]
for f, (name, n) in enumerate((("train", 4), ("test", 2))):
    data, tags = images(f, n), labels(f, n, 100)
    records = b"".join(bytes([tag // 5, tag]) + row.tobytes() for tag, row in zip(tags, data))
    write(f"cifar-100-binary/{name}.bin", records)
    write(f"cifar-100-python/{name}",
          Python2().dump({"filenames": [f"picture_{i}.png" for i in range(n)], "batch_label": f"{name}ing batch 1 of 1",
                          "fine_labels": tags, "coarse_labels": [tag // 5 for tag in tags], "data": data}))
write("cifar-100-binary/fine_label_names.txt", ("\n".join(fine) + "\n").encode())
write("cifar-100-python/meta", Python2().dump({"fine_label_names": fine, "coarse_label_names": coarse}))
