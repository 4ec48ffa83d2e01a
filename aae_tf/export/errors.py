"""What goes wrong when a model is exported."""


class ExportError(RuntimeError):
    """An export is not what it must be.

    It does not answer as its model does, could not run on an older server, or does not hold the
    files of its card. One that is being written is taken back.
    """
