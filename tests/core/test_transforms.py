"""State written from within torch.func's transforms."""

import pytest
import torch
from torch.func import grad, jacfwd, jacrev, vmap

from torchkeras import Variable
from torchkeras.core.layer import Layer
from torchkeras.core.transforms import beyond_kernels, write


class Counter(Layer):
    def build(self, input_shape):
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)
        self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, inputs):
        self.count.assign_add(1.0)
        self.seen.assign(inputs.sum())
        return inputs * self.count


@pytest.mark.parametrize("transform", [grad, jacrev, jacfwd, lambda f: grad(grad(f)), lambda f: jacfwd(jacrev(f))])
def test_assignments(transform):
    layer, x = Counter(), torch.tensor(3.0)
    layer.build(())
    transform(layer)(x)
    assert (float(layer.count), float(layer.seen)) == (1.0, 3.0)
    assert not torch._C._functorch.is_functorch_wrapped_tensor(layer.seen)


def test_what_does_not_depend_on_the_entry_may_be_written_under_vmap():
    count = Variable(0.0)

    def step(x):
        count.assign_sub(1.0)
        return grad(lambda x: (write(torch.Tensor.add_, count, 3.0), x.sin())[1])(x)

    count.trainable = False
    vmap(step)(torch.ones(3))
    assert float(count) == 2.0


def test_what_differs_between_entries_is_refused():
    layer, x = Counter(), torch.ones(3)
    layer.build(())
    with pytest.raises(RuntimeError, match="functional_call"):
        vmap(layer)(x)


def test_each_entry_may_bring_its_own_state():
    sums = torch.zeros(3)
    vmap(lambda own, x: write(torch.Tensor.add_, own, x))(sums, torch.arange(3.0))
    assert sums.tolist() == [0, 1, 2]


def test_what_is_beyond_kernels():
    answers = []

    def f(x):
        answers.append(beyond_kernels())
        return x.sin()

    x = torch.tensor(1.0)
    f(x), grad(f)(x), vmap(f)(x[None]), jacfwd(f)(x), grad(grad(f))(x), vmap(grad(f))(x[None]), f(x)
    with torch.autograd.forward_ad.dual_level():
        f(x)
    assert answers == [False, False, True, True, True, True, False, True]
