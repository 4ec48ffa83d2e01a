"""Folders of what has been read of tables: made once, found by key, removed as they grow too many.

A folder appears when it is complete, and is renamed before its files are removed, so that another
process finds all of it or nothing. What a process has opened it can read on where the system keeps
files that are open, as Linux and macOS do; elsewhere such a folder cannot be renamed, and stays.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_PARTIAL = ".partial"
# The names of folders of the cache: a key, and what is being written or removed.
_NAME = re.compile(r"[0-9a-f]{24}(\.[0-9a-f]{32}\.partial)?")
_LIMIT_GB = 50.0
# Seconds after which what a killed process was writing is removed.
_ABANDONED = 86_400.0


def open_cached(key: str, write: Callable[[Path], None], open: Callable[[Path], T]) -> T:
    """Opens a folder of the cache, which is written if it is not there.

    The cache is the folder `tables` below that which the environment variable AAE_TF_CACHE names,
    by default `~/.cache/aae_tf`. Where a folder is written, those that were opened the longest ago
    are removed until all together have at most AAE_TF_CACHE_GB, by default 50.

    Args:
        key: name of the folder, 24 hexadecimal digits.
        write: writes the files into an empty folder.
        open: opens a complete folder.

    Returns:
        What `open` gives.

    Raises:
        ValueError: if AAE_TF_CACHE_GB is no positive number.
    """
    limit = _limit_bytes()
    root = Path(os.environ.get("AAE_TF_CACHE") or "~/.cache/aae_tf").expanduser() / "tables"
    folder = root / key
    while True:
        is_new = not folder.is_dir()
        if is_new:
            _write_folder(folder, write)
        try:
            opened = open(folder)
        except FileNotFoundError:
            if folder.is_dir():
                raise
            # Another process has removed it meanwhile.
            continue
        # A cache that may not be written to is read, though not marked as opened.
        with contextlib.suppress(OSError):
            os.utime(folder)
        if is_new:
            remove_oldest(root, key, limit)
        return opened


def remove_oldest(root: Path, kept: str, limit: float) -> None:
    """Removes the folders that were opened the longest ago, and what killed processes left.

    What has another name than a folder of the cache is left alone.

    Args:
        root: folder of the folders.
        kept: name of the one that stays.
        limit: bytes that all of them together may have.
    """
    entries = []
    for folder in root.iterdir():
        if not _NAME.fullmatch(folder.name):
            continue
        try:
            files = [file.stat() for file in folder.iterdir()]
            opened = folder.stat().st_mtime
        except OSError:
            # Another process is removing it.
            continue
        if folder.suffix == _PARTIAL:
            # A process that writes into a file does not change the time of its folder.
            opened = max([opened, *(file.st_mtime for file in files)])
        entries.append((opened, folder, sum(file.st_size for file in files)))
    total = sum(size for _, folder, size in entries if folder.suffix != _PARTIAL)
    for opened, folder, size in sorted(entries):
        if folder.suffix == _PARTIAL:
            if time.time() - opened > _ABANDONED:
                shutil.rmtree(folder, ignore_errors=True)
        elif total > limit and folder.name != kept and _remove(folder):
            total -= size


def _write_folder(folder: Path, write: Callable[[Path], None]) -> None:
    unfinished = _partial(folder)
    unfinished.mkdir(parents=True)
    try:
        write(unfinished)
        try:
            unfinished.rename(folder)
        except OSError:
            # Another process may have been faster.
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _remove(folder: Path) -> bool:
    removed = _partial(folder)
    try:
        folder.rename(removed)
    except FileNotFoundError:
        # Another process was faster.
        return True
    except OSError:
        return False
    shutil.rmtree(removed, ignore_errors=True)
    return True


def _partial(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.{uuid.uuid4().hex}{_PARTIAL}")


def _limit_bytes() -> float:
    text = os.environ.get("AAE_TF_CACHE_GB") or str(_LIMIT_GB)
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if not limit > 0.0:
        raise ValueError(
            "Expected the environment variable AAE_TF_CACHE_GB to be a number above zero. "
            f"Received: {text!r}."
        )
    return limit * 1e9
