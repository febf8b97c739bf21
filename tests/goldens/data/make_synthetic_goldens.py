#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The made-up images of `quarry data synthetic` once more, in Python's integers: SHA-256 of some records.

usage: python3 make_synthetic_goldens.py        (writes synthetic.txt beside this file)
"""
import hashlib
import pathlib

M64, M32 = (1 << 64) - 1, (1 << 32) - 1


def mix(x):
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & M64
    x = (x ^ x >> 27) * 0x94D049BB133111EB & M64
    return x ^ x >> 31


def stream_key(seed, purpose, key):
    state = 0
    for value in (seed, purpose, key):
        state = mix((state ^ value) + 0x9E3779B97F4A7C15 & M64)
    return state


def philox(key, element, step):
    low, high = key & M32, key >> 32
    c = [element & M32, element >> 32, step, 0]
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(q >> 32) ^ c[1] ^ low, q & M32, (p >> 32) ^ c[3] ^ high, p & M32]
        low, high = low + 0x9E3779B9 & M32, high + 0xBB67AE85 & M32
    return c


def triangle(phase):
    p = phase % 256
    return (2 * p if p < 128 else 511 - 2 * p) - 128


def toward_zero(a, b):
    return a // b if a >= 0 else -(-a // b)


def record(classes, part, i):
    label = i % classes
    key = stream_key(0, 14, 2 * classes + part)
    own = philox(key, i, 1)[0]
    signs = ((1, 1, 1), (1, 0, -1), (0, 1, -1), (1, -1, 0))[label // 25]
    out = bytearray([label // 5, label] if classes == 100 else [label])
    for c in range(3):
        shade = 128 + (label * 37 + c * 11) % 21 - 10 + (own >> 8) % 32 - 16
        noise = b"".join(word.to_bytes(4, "little") for block in range(64)
                         for word in philox(key, (3 * i + c) * 64 + block, 0))
        for y in range(32):
            for x in range(32):
                wave = triangle(own % 256 + 8 * (1 + label % 5) * x + 8 * (label // 5 % 5 - 2) * y)
                spread = noise[32 * y + x] - 128
                out.append(min(255, max(0, shade + toward_zero(3 * signs[c] * wave + 3 * spread, 8))))
    return bytes(out)


lines = ["# classes part image sha256"]
for classes in (10, 100):
    for part in (0, 1):
        for i in (0, 1, 77, 12345, 1 << 19):
            lines.append(f"{classes} {part} {i} {hashlib.sha256(record(classes, part, i)).hexdigest()}")
(pathlib.Path(__file__).parent / "synthetic.txt").write_text("\n".join(lines) + "\n")
