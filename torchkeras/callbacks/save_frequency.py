"""SaveFrequency: at which moments of a training something is saved.

Imports nothing of the package.
"""


class SaveFrequency:
    """Each epoch's end, or every so many batches, counted on from epoch to epoch.

    Args:
        value: "epoch" or an integer.
        owner: in the error, whose argument it is.

    Raises `ValueError` for anything else.
    """

    def __init__(self, value, owner):
        if value != "epoch" and not isinstance(value, int):
            raise ValueError(
                f"{owner} got save_freq={value!r}, expected 'epoch' or an integer, the number of batches from one "
                "saving to the next."
            )
        self.every = None if value == "epoch" else value
        self.batches = 0  # since the last saving
        self.last = None  # the last batch that was seen

    def after_batch(self, batch):
        """Whether to save now. With `steps_per_execution` a call may come for several batches."""
        if self.every is None:
            return False
        new_epoch = self.last is None or batch <= self.last
        self.batches += batch + 1 if new_epoch else batch - self.last
        self.last = batch
        if self.batches < self.every:
            return False
        self.batches = 0
        return True
