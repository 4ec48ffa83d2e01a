"""Tells one large file from another without reading all of it."""

import hashlib
import os
from pathlib import Path

_BLOCK = 2**16
_BLOCKS = 256


def fingerprint(path: Path) -> str:
    """Computes the SHA-256 of a file's size and of 256 blocks of 64 KiB, spread evenly over it.

    Files up to 16 MiB are read whole. Of a larger one, a change that lies between the blocks goes
    unnoticed; one that rewrites it does not.

    Args:
        path: the file.

    Returns:
        The digest, hexadecimal.
    """
    size = path.stat().st_size
    last = max(size - _BLOCK, 0)
    # At most one block apart where the file is that small.
    count = min(_BLOCKS, -(-size // _BLOCK))
    starts = sorted({last * i // max(count - 1, 1) for i in range(count)})
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb", buffering=0) as file:
        for start in starts:
            digest.update(os.pread(file.fileno(), _BLOCK, start))
    return digest.hexdigest()
