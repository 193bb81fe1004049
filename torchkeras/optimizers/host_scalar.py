"""HostScalar: a number that lives in host memory and is both a Variable and a Python number.

May import core. Knows no optimizer. The learning rate and the step counter are read on every step: here that reading is
a comparison of two integers, never a wait for a device.
"""

import torch

from torchkeras.core.variable import Variable


class HostScalar(Variable):
    """A scalar Variable in host memory whose value `host` gives as a Python number.

    torch counts in-place writes to a tensor; as long as the count stands still the number read last is the value, so
    `assign`, `fill_` and torch's learning-rate schedulers may all write to it. `advance` writes past torch, through
    numpy: a kernel's call would cost more than all else that a small optimizer step does on the host.

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
        value, d = self.host + 1, self.__dict__
        view = d.get("_view")
        if view is None or view[0] != self.data_ptr():
            view = d["_view"] = self.data_ptr(), self.detach().numpy()
        view[1][()] = value
        d["_seen"] = (d["_seen"][0], value)

    def __format__(self, spec):
        return format(self.item(), spec)

    def __deepcopy__(self, memo):
        self._forget()
        return super().__deepcopy__(memo)

    def __reduce_ex__(self, protocol):
        self._forget()
        return super().__reduce_ex__(protocol)

    def _forget(self):
        """Before a copy is made, which counts its writes from zero again and has other memory."""
        for name in ("_seen", "_view"):
            self.__dict__.pop(name, None)


def host_scalar(value, dtype, name):
    """A HostScalar of a torch dtype; its path takes the open name scopes."""
    return HostScalar(torch.tensor(value, dtype=dtype, device="cpu"), trainable=False, name=name)
