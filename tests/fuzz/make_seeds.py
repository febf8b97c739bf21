#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the seed corpora of the data readers from the golden files and a few hand-made inputs.

usage: python3 make_seeds.py        (writes corpus/{libsvm,csv,npy,npz,idx,cifar,pickle}/ beside this file)
"""
import gzip
import io
import pathlib
import struct
import zipfile

HERE = pathlib.Path(__file__).parent
GOLDENS = HERE.parent / "goldens" / "data"


def write(target, name, data):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def npy(header, elements=b"", version=b"\x01\x00"):
    size = struct.pack("<H" if version[0] == 1 else "<I", len(header))
    return b"\x93NUMPY" + version + size + header + elements


for name, text in {
    "small": b"+1 1:0.5 3:-2\n-1 2:1e3\n", "crlf": b"1 1:1\r\n2 2:2\r\n", "no_newline": b"1 1:1\n2",
    "comments": b"# a comment\n1 1:1 # more\n\n2 3:1\n", "index_zero": b"1 0:1\n", "descending": b"1 2:1 1:1\n",
    "overflow": b"1 1:1e999\n", "qid": b"1 qid:3 1:2\n", "wide": b"1 1000:1\n" * 40, "empty": b"",
}.items():
    write("libsvm", name, text)
for name, text in {
    "header": b"kind\nx,kind,y\n1,a,2\n3,b,4\n", "numbers": b"2\n1,2,0\n3,4,1\n", "quotes": b'k\n"x ""1""",k\r\n"1","a\nb"\r\n',
    "byte_order_mark": b"1\n\xef\xbb\xbf1,0\n2,1\n", "ragged": b"0\n1,2\n3\n", "open_quote": b'0\n1,"2\n',
    "nul": b"0\n1,\x00\n", "number_names": b"0\nlabel,0,1\n7,2,3\n", "mixed": b"2\na,1,0\n2,3,1\n", "blanks": b"0\n 1 ,\t2 \n",
    "empty": b"",
}.items():
    write("csv", name, text)
for name in ("version_1", "version_2", "version_3", "half"):
    write("npy", name, (GOLDENS / f"{name}.npy").read_bytes())
plain = b"{'descr': '%s', 'fortran_order': %s, 'shape': %s}"
for name, data in {
    "fortran": npy(plain % (b"<i2", b"True", b"(2, 3)"), bytes(range(12))), "big": npy(plain % (b">f8", b"False", b"(1,)"), bytes(8)),
    "object": npy(plain % (b"|O", b"False", b"(1,)"), b"\x80\x04N."), "overflow": npy(plain % (b"<f8", b"False", b"(4294967296, 4294967296)")),
    "scalar": npy(plain % (b"|b1", b"False", b"()"), b"\x01"), "empty_extent": npy(plain % (b"<f4", b"True", b"(0, 3)")),
    "long_header": npy(b"{" * 100, version=b"\x02\x00"), "structured": npy(b"{'descr': [('a', '<f4')], 'shape': (1,)}"),
}.items():
    write("npy", name, data)
write("npz", "table", (GOLDENS / "table.npz").read_bytes())
write("npz", "keras", (GOLDENS / "keras.npz").read_bytes())
one = npy(plain % (b"|u1", b"False", b"(1,)"), b"\x05")
for name, method in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for member in ("a.npy", "b.npy"):
            archive.writestr(zipfile.ZipInfo(member), one, method)
    write("npz", name, buffer.getvalue())
    write("npz", name + "_cut", buffer.getvalue()[:-9])
write("npz", "nothing", b"PK\x05\x06" + bytes(18))
for name in ("u8", "i8", "i16", "i32", "f32", "f64"):
    write("idx", name, (GOLDENS / f"{name}.idx").read_bytes())
write("idx", "gzipped", (GOLDENS / "u8.idx.gz").read_bytes())
write("idx", "gzipped_zeros", gzip.compress(struct.pack(">HBBI", 0, 8, 1, 60000) + bytes(60000), mtime=0))
write("idx", "bomb", gzip.compress(bytes(4 << 20), mtime=0))
write("idx", "absurd", struct.pack(">HBBIII", 0, 14, 3, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF))
write("idx", "rank_9", struct.pack(">HBB", 0, 8, 9) + bytes(36))
CIFAR = GOLDENS / "cifar"


def golden(name):
    return gzip.decompress((CIFAR / (name + ".gz")).read_bytes())


ten, hundred = golden("cifar-10-batches-bin/test_batch.bin"), golden("cifar-100-binary/test.bin")
for name, data in {
    "ten": b"0" + ten, "ten_cut": b"0" + ten[:-1], "ten_label_10": b"0\x0a" + ten[1:], "hundred": b"1" + hundred,
    "hundred_label_100": b"1\x00\x64" + hundred[2:], "empty": b"0", "names": b"n" + golden("cifar-10-batches-bin/batches.meta.txt"),
    "nine_names": b"n" + b"a\n" * 9, "no_newline": b"n" + b"a\r\n" * 9 + b"b",
}.items():
    write("cifar", name, data)
for name in ("protocol_2", "protocol_3", "protocol_4", "protocol_5", "fortran", "fortran_5", "numpy_2", "int64"):
    write("pickle", name, golden("python3/" + name))
for name in ("cifar-10-batches-py/test_batch", "cifar-10-batches-py/batches.meta", "cifar-100-python/meta"):
    write("pickle", "python2_" + name.replace("/", "_"), golden(name))
for name, data in {
    "itself": b"]q\x00h\x00a.", "deep": b"]" * 17 + b"a" * 16 + b".", "system": b"cos\nsystem\nU\x02ls\x85R.",
    "unfilled": b"]cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87Ra.", "nothing": b"N.",
    "array": b"cnumpy.core.numeric\n_frombuffer\n(U\x06abcdefcnumpy\ndtype\nU\x02u1\x89\x88\x87RK\x02K\x03\x86U\x01FtR.",
}.items():
    write("pickle", name, b"\x80\x02" + data)
