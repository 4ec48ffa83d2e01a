"""What goes wrong when a model is exported."""


class ExportError(RuntimeError):
    """An export that was written does not answer as its model does, and was taken back."""
