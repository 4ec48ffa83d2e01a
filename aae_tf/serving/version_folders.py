"""The versions of a model on disk."""

from __future__ import annotations

import logging
from pathlib import Path

from aae_tf.export.versions import version_number

_LOGGER = logging.getLogger("aae_tf.serving")


def version_folders(base_path: Path) -> dict[int, Path]:
    """Returns the path of each version under `base_path`, by number.

    A version is an entry whose whole name is a number, leading zeros or not; other names, such
    as those of exports still being written, are none. Of two names for one number one is taken.

    Raises:
        OSError: the folder cannot be read.

    Example:

        >>> import tempfile
        >>> base = Path(tempfile.mkdtemp())
        >>> for name in ("0012", "tmp-13", "7"):
        ...     (base / name).mkdir()
        >>> sorted(version_folders(base))
        [7, 12]
    """
    versions: dict[int, Path] = {}
    for entry in sorted(base_path.iterdir()):
        number = version_number(entry.name)
        if number is not None:
            if number in versions:
                _LOGGER.warning(
                    "%s and %s are both version %d; the latter is taken",
                    versions[number],
                    entry,
                    number,
                )
            versions[number] = entry
    return versions
