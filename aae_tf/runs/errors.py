"""The error whose message is for the user of a command, and what turns other errors into it."""

import contextlib
import errno
import os
import re
from collections.abc import Iterator

# A disk or a quota is full, a file is as large as allowed, or a disk fails or was made read-only.
_REFUSED_WRITES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
_REFUSALS = tuple(re.escape(os.strerror(number)) for number in _REFUSED_WRITES)


class UserError(Exception):
    """Raised where a run or a command cannot go on; `aae-tf` prints the message as one line.

    Args:
        message: what was expected and what was received.
        exit_code: exit code of the command: 2 if it was asked for what cannot be done, 1 if it
            failed, 75 if the same command, started again, resumes, 130 if it was interrupted.
    """

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class OutOfTime(UserError):
    """Raised where a training has used the time that it was given; the same call resumes it."""

    def __init__(self) -> None:
        super().__init__("The time of the training is up; the same command resumes it.", 75)


@contextlib.contextmanager
def as_user_error(*types: type[Exception]) -> Iterator[None]:
    """Raises exceptions of the block as `UserError` of the same message.

    Args:
        *types: exceptions that mean bad input in this block; the exit code is 1 if one means that
            a disk refused a write.
    """
    try:
        yield
    except types as error:
        refusal = refused_write(error)
        if refusal is not None:
            raise UserError(refusal, exit_code=1) from error
        raise UserError(str(error)) from error


def refused_write(error: BaseException) -> str | None:
    """Says in one sentence that a disk refused a write, if that is what an error is about.

    Args:
        error: any error; those of TensorFlow have the operating system's words in their message.

    Returns:
        The sentence, or None.

    Example:

    >>> refused_write(OSError(errno.ENOSPC, "No space left on device", "model.keras"))
    "Expected the disk to take what is written. Received: No space left on device: 'model.keras'."
    """
    if isinstance(error, OSError) and error.errno in _REFUSED_WRITES:
        file, reason = error.filename, error.strerror
    else:
        # TensorFlow writes "PATH; REASON", between other words.
        match = re.search(rf"(\S+); ({'|'.join(_REFUSALS)})", str(error))
        if match is None:
            return None
        file, reason = match.groups()
    name = "" if file is None else f": {str(file)!r}"
    return f"Expected the disk to take what is written. Received: {reason}{name}."
