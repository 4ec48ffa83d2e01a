"""The error whose message is for the user of a command, and what turns other errors into it."""

import contextlib
from collections.abc import Iterator


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


@contextlib.contextmanager
def as_user_error(*types: type[Exception]) -> Iterator[None]:
    """Raises exceptions of the block as `UserError` of the same message.

    Args:
        *types: exceptions that mean bad input in this block.
    """
    try:
        yield
    except types as error:
        raise UserError(str(error)) from error
