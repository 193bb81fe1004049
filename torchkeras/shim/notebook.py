"""`%load_ext torchkeras` in IPython and Jupyter.

Lives here: the two functions that IPython calls. May import: finder. Must not know: IPython itself.
"""

from torchkeras.shim.finder import install, uninstall


def load_ipython_extension(ipython) -> None:
    """Answer the notebook's imports of keras and tensorflow with torchkeras; the same as `torchkeras.install()`.

    Args:
        ipython: the running shell, as IPython passes it; not used.

    Raises:
        RuntimeError: a cell has already imported the real Keras or TensorFlow.

    Example:
        `%load_ext torchkeras` in the first cell, `from tensorflow import keras` in the next.
    """
    install()


def unload_ipython_extension(ipython) -> None:
    """`%unload_ext torchkeras`: the same as `torchkeras.uninstall()`."""
    uninstall()
