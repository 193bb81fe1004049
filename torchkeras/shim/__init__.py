"""The import shim: programs that say `import keras` or `import tensorflow` get torchkeras's own modules.

Lives here: `install()` and `uninstall()`, the in-process way in. finder.py answers the imports, runner.py is
`python -m torchkeras`, notebook.py is `%load_ext`, tf/ holds the TensorFlow names that Keras scripts use.
May import: finder. Must not know: layers, models or any other room; modules are reached by name only.
"""

from torchkeras.shim.finder import install, uninstall

__all__ = ["install", "uninstall"]
