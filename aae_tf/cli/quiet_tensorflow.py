"""Imports TensorFlow without its greetings."""

import os
import sys
import tempfile


def import_quietly() -> None:
    """Imports TensorFlow without the log lines that it prints meanwhile and later.

    Those of the import are written before any log level is heard, so the file descriptor is
    turned away; they appear after all if it fails. Where TF_CPP_MIN_LOG_LEVEL asks for
    information or warnings, nothing is done here.
    """
    # Level 2 lets through errors such as a missing GPU. What matters is raised in Python as well.
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "tensorflow" in sys.modules or level in ("0", "1"):
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            import tensorflow  # noqa: F401
        except BaseException:
            log.seek(0)
            os.write(stderr, log.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
