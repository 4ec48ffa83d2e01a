"""The package `aae_tf_client`, written from the modules of aae_tf that are its only source.

They are copied under their new names before the build, in a working copy of the repository; a
source distribution holds them already.
"""

import re
import shutil
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "aae_tf"
TARGET = HERE / "aae_tf_client"
# Modules of aae_tf by their new names.
NAMES = {
    "aae_tf.serving.client": "aae_tf_client",
    "aae_tf.serving.errors": "aae_tf_client.errors",
    "aae_tf.checks": "aae_tf_client.checks",
    "aae_tf.column_arrays": "aae_tf_client.column_arrays",
}


def write_package() -> None:
    """Writes TARGET anew."""
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir()
    pattern = re.compile("|".join(rf"{re.escape(name)}\b" for name in NAMES))
    for path in (
        *SOURCE.glob("serving/client/*.py"),
        SOURCE / "serving/errors.py",
        SOURCE / "checks.py",
        SOURCE / "column_arrays.py",
    ):
        text = path.read_text(encoding="utf-8")
        (TARGET / path.name).write_text(
            pattern.sub(lambda match: NAMES[match[0]], text), encoding="utf-8"
        )
    init = (SOURCE / "__init__.py").read_text(encoding="utf-8")
    version = re.search(r'^__version__ = "(.+)"$', init, re.MULTILINE)
    (TARGET / "version.txt").write_text(version[1], encoding="utf-8")
    (TARGET / "py.typed").touch()


if SOURCE.is_dir():
    write_package()
setup(version=(TARGET / "version.txt").read_text(encoding="utf-8"))
