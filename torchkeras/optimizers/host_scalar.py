"""HostScalar: a number that lives in host memory and is both a Variable and a Python number.

May import core. Knows no optimizer. The learning rate and the step counter are read on every step: here that reading is
a comparison of two integers, never a wait for a device.
"""

import torch

from torchkeras.core.variable import Variable


class HostScalar(Variable):
    """A scalar Variable in host memory whose value `host` gives as a Python number.

    torch counts in-place writes to a tensor; as long as the count stands still the number read last is the value, so
    `assign`, `fill_` and torch's learning-rate schedulers may all write to it.

    Example:
        >>> rate = HostScalar(torch.tensor(0.5), trainable=False, name="learning_rate")
        >>> rate.assign(0.25).host
        0.25
    """

    @property
    def host(self):
        """The value as a Python number."""
        seen = self.__dict__.get("_seen")
        version = self._version
        if seen is None or seen[0] != version:
            seen = self.__dict__["_seen"] = (version, self.item())
        return seen[1]

    def advance(self):
        """Adds one."""
        value = self.host + 1
        self.add_(1)
        self.__dict__["_seen"] = (self._version, value)

    def __format__(self, spec):
        return format(self.item(), spec)

    def __deepcopy__(self, memo):
        self.__dict__.pop("_seen", None)  # a copy counts its writes from zero again
        return super().__deepcopy__(memo)

    def __reduce_ex__(self, protocol):
        self.__dict__.pop("_seen", None)
        return super().__reduce_ex__(protocol)


def host_scalar(value, dtype, name):
    """A HostScalar of a torch dtype; its path takes the open name scopes."""
    return HostScalar(torch.tensor(value, dtype=dtype, device="cpu"), trainable=False, name=name)
