"""Public modules that only Keras 2 has, made without a file in the room that publishes them.

May import nothing of the package.
"""

import sys
import types


def add_module(parent, name, doc, contents):
    """A module `name` below the module `parent`, with these contents (a dict); imports find it too."""
    module = types.ModuleType(f"{parent.__name__}.{name}", doc)
    vars(module).update(contents)
    sys.modules[module.__name__] = module
    setattr(parent, name, module)
    return module
