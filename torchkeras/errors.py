"""Exception types of torchkeras.

Every type derives from the built-in that Keras raises in the same place, so `except ValueError` written for Keras
works.
Imports nothing of the package; every room may import it.
"""


class UnknownArgumentError(TypeError, ValueError):
    """A keyword that the callable does not have. Keras 2 raises TypeError here and Keras 3 ValueError: this is both."""


class InvalidArgumentError(TypeError, ValueError):
    """An argument has a kind or a value that its callable does not take. For the same slip Keras raises TypeError in
    some classes and ValueError in others: this is both."""


class UnknownObjectError(TypeError, ValueError):
    """A config names a class or function that is not known. Keras 3 raises TypeError here and Keras 2 ValueError: this
    is both."""

    missing, place = (), ""  # what is not known, and where it stands, as far as it could be told (core/missing.py)


class UnserializableError(TypeError, ValueError):
    """An object has no form in which a config could hold it. Keras raises TypeError for some and ValueError for others:
    this is both."""


class AxisError(ValueError, IndexError):
    """An axis that the tensor does not have. Keras raises ValueError for symbolic tensors, and IndexError or ValueError
    for others: this is both, as numpy's is."""


class LabelError(ValueError, IndexError):
    """A class label that is no index of a class. torch raises IndexError: this is both."""


class NotBuiltError(ValueError):
    """The weights or the graph are needed, but no input shape has been seen yet."""


class NotAdaptedError(RuntimeError, ValueError):
    """A preprocessing layer has seen no data yet that it could have learned from. TensorFlow raises an error of its own
    here, which derives from Exception alone."""


class NoLengthError(NotImplementedError, AttributeError):
    """A PyDataset does not say how many batches it has. Keras raises NotImplementedError; as `num_batches` asks for the
    length, it is an AttributeError too, so that `hasattr` answers."""


class ShapeInferenceError(RuntimeError):
    """The output shape cannot be found by running on shapes alone: define `compute_output_shape`."""


class WorkerError(RuntimeError):
    """A thread or process that makes batches died, or did not answer in time."""


class DownloadError(OSError):
    """A file could not be fetched from where it was said to be."""


class SlowPathError(RuntimeError):
    """`model.explain(strict=True)` found a layer whose fast kernel cannot serve."""


class UnsupportedInputError(ValueError, TypeError):
    """Data of a kind that cannot become a tensor (object arrays, sets, generators where arrays belong)."""


class _AlsoOf(ValueError):
    """An error that is of the type of another one too, so that `except` clauses written for that one work."""

    def __str__(self):  # KeyError would show the text in quotes
        return Exception.__str__(self)

    @classmethod
    def like(cls, error, text):
        """An error with a text of its own that is also of the type of `error`."""
        kind = type(error)
        if issubclass(cls, kind):
            return cls(text)
        both = _BOTH.get((cls, kind))
        if both is None:
            kinds = (TypeError, AttributeError) if kind is AttributeError else (kind,)  # no tensor came
            both = type(f"{cls.__name__}And{kind.__name__}", (cls, *kinds), {"__module__": __name__, "_plain": cls})
            _BOTH[cls, kind] = both
        return both(text)

    def __reduce__(self):  # the types that `like` makes have no name to be found by
        return getattr(self, "_plain", type(self)), (str(self),)


_BOTH = {}


class UnfitInputError(_AlsoOf):
    """A layer of torchkeras cannot compute what it was called with. Where torch itself raised, the error is of that
    type too, a RuntimeError for instance, so that `except` clauses written for torch work as well."""


class OutputError(_AlsoOf, KeyError):
    """What was given for a model's outputs (targets, losses, weights, metrics) does not line up with them. For the same
    slip Keras raises KeyError in some places and ValueError in others: this is both."""


class UnsafeFileError(ValueError):
    """A file asks for something that a file may not do."""


class ResourceLimitError(ValueError):
    """A file asks for more memory or work than its size can justify."""


class CorruptFileError(_AlsoOf):
    """A file is cut short or damaged, or describes what cannot be. Where Python or a class raised another type at that,
    the error is of that type too."""
