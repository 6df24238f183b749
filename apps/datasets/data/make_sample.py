"""Make the shipped sample from the full Fashion-MNIST files; nothing at run time needs this.

The first 200 training and the first 50 test images of every class, in file order, in the same
format. Run as `python make_sample.py SOURCE_FOLDER DESTINATION_FOLDER`; it prints the
SHA-256 of each unpacked file, to be pinned in `apps/datasets/fashion_mnist.py`.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import sys
from pathlib import Path

import numpy as np

PER_CLASS = {"train": 200, "t10k": 50}


def make_sample(source: Path, destination: Path) -> dict[str, bytes]:
    """Write the sample into `destination`; return the unpacked content of each file, by name."""
    contents = {}
    for part, per_class in PER_CLASS.items():
        names = f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"
        packed = [(source / f"{name}.gz").read_bytes() for name in names]
        images, labels = (gzip.decompress(content) for content in packed)
        x = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28)
        y = np.frombuffer(labels, np.uint8, offset=8)
        chosen = np.sort(np.concatenate([np.flatnonzero(y == c)[:per_class] for c in range(10)]))
        n = len(chosen)
        contents[names[0]] = struct.pack(">4i", 0x803, n, 28, 28) + x[chosen].tobytes()
        contents[names[1]] = struct.pack(">2i", 0x801, n) + y[chosen].tobytes()
    destination.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (destination / f"{name}.gz").write_bytes(gzip.compress(content, 9, mtime=0))
    return contents


if __name__ == "__main__":
    for name, content in make_sample(Path(sys.argv[1]), Path(sys.argv[2])).items():
        print(name, len(content), hashlib.sha256(content).hexdigest())
