"""The error of a data set that is not on this machine."""


class DatasetNotFoundError(FileNotFoundError):
    """Raised where no prepared copy of a data set is found; the message says what to do."""
