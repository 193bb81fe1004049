"""Computations without Keras: programs of `torch.export` and ONNX, for serving.

May import core and saving. Knows no model: what it needs of one are inputs and a call. The public names of
`keras.export`.
"""

from torchkeras.export.archive import ExportArchive

__all__ = ["ExportArchive"]
