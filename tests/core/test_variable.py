"""Variable: Keras's manners on a torch Parameter; its strides survive what torch does with parameters."""

import copy
import inspect
import pickle

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import Variable, layers


def test_assignments():
    v = Variable(np.arange(6.0).reshape(2, 3), name="v", dtype="float32")
    v.assign(torch.zeros(2, 3))
    v.assign_add(np.ones((2, 3)))
    assert v.assign_sub(0.5) is v
    assert v.numpy().tolist() == [[0.5] * 3] * 2
    with pytest.raises(ValueError, match="shape"):
        v.assign(np.zeros(3))


def test_arithmetic_gives_plain_tensors():
    v = Variable([1.0, 2.0])
    assert type(v + 1) is type(v * v) is type(v[0]) is torch.Tensor
    assert float(Variable(2.0)) == 2
    assert np.asarray(v).tolist() == [1.0, 2.0]
    assert np.array(v, dtype="float64").dtype == np.float64
    assert v in {v: 1}


def test_initial_values():
    assert Variable(1.0).dtype == torch.float32
    assert not Variable(np.arange(3)).requires_grad
    assert Variable(lambda shape, dtype: torch.ones(shape), shape=(2,)).numpy().tolist() == [1.0, 1.0]
    for wrong in (
        lambda: Variable(lambda shape, dtype: 1),
        lambda: Variable([1, 2], shape=(3,)),
        lambda: Variable(1.0, name="a/b"),
    ):
        with pytest.raises(ValueError):
            wrong()


def test_names():
    with keras.name_scope("a"), keras.name_scope("b"):
        assert Variable(1.0, name="x").path == "a/b/x"


def test_trainable_turns_gradients_off():
    v = Variable([1.0])
    v.trainable = False
    assert not v.requires_grad
    v.trainable = True
    assert v.requires_grad


def test_strides_of_a_variable():
    v = Variable(np.random.rand(3, 3, 4, 8).astype("float32"), memory_order=(3, 0, 1, 2))
    strides = v.stride()
    assert v.permute(3, 2, 0, 1).is_contiguous(memory_format=torch.channels_last)
    (v * v).sum().backward()
    assert v.grad.stride() == strides
    assert copy.deepcopy(v).stride() == strides == pickle.loads(pickle.dumps(v)).stride()


def test_strides_of_a_kernel():
    layer, twin = layers.Conv2D(8, 3), layers.Conv2D(8, 3)
    for each in (layer, twin):
        each.build((None, 5, 5, 4))
    strides, kernel = layer.kernel.stride(), layer.kernel
    layer.to(torch.float64)
    assert layer.kernel.stride() == strides
    layer.to(torch.float32)
    twin.load_state_dict(layer.state_dict())
    assert twin.kernel.stride() == strides
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.rand(1, 5, 5, 4)).sum().backward()
    optimizer.step()
    assert optimizer.state[layer.kernel]["exp_avg"].stride() == strides
    layer.set_weights([np.ones((3, 3, 4, 8)), np.zeros(8)])
    assert layer.kernel.stride() == strides
    assert layer.kernel is kernel


def test_assignments_compile_as_one_graph():
    torch._dynamo.reset()
    v = Variable([1.0, 2.0])

    def step(x):
        v.assign_add(x)
        v.assign_sub(torch.ones(2, dtype=torch.float64))
        v.assign(v * 2)
        return v + len(v.name) * 0 + v.trainable * 0

    assert torch.compile(step, backend="eager", fullgraph=True)(torch.ones(2)).tolist() == [2.0, 4.0]
    assert v.numpy().tolist() == [2.0, 4.0]


ROW = np.array([1.0, 2.0, 4.0], "float32")


@pytest.mark.parametrize(
    "array", [ROW, ROW[::-1], ROW.astype(">f8"), np.array([1, 2, 4])], ids=("", "[::-1]", ">f8", "int")
)
def test_operators_beside_arrays_give_tensors(array):
    v, plain = Variable([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0])
    array_first = {"+": array + v, "-": array - v, "*": array * v, "/": array / v, "//": array // v, "%": array % v}
    wanted = {
        "+": array + plain,
        "-": array - plain,
        "*": array * plain,
        "/": array / plain,
        "//": array // plain,
        "%": array % plain,
    }
    for sign, result in array_first.items():
        assert type(result) is torch.Tensor
        np.testing.assert_allclose(result.detach(), wanted[sign], rtol=1e-6)
    assert (array - v).requires_grad
    assert (v < array).tolist() == (plain < array).tolist() and (v != array).tolist() == (plain != array).tolist()
    np.testing.assert_allclose((np.ones((2, 3), "float32") @ v).detach(), [6.0, 6.0])


def test_operators_beside_lists():
    v, row = Variable([1.0, 2.0, 4.0]), [2.0, 3.0, 5.0]
    assert ((v + row) - (row + v)).abs().max() == 0 and (row - v).tolist() == [1.0, 1.0, 1.0]
    assert (v * tuple(row)).tolist() == [2.0, 6.0, 20.0] and (row / v).tolist() == [2.0, 1.5, 1.25]
    assert (row**v).tolist() == [2.0, 9.0, 625.0] and (row // v).tolist() == [2.0, 1.0, 1.0]
    assert (v @ row).item() == (row @ v).item() == 28.0 and (v @ row).requires_grad
    assert (v < row).all() and (row > v).all() and not (v >= row).any()
    with pytest.raises(TypeError):
        v + "a"
    x = torch.tensor([0.1, 0.2, 0.7])
    assert torch.equal(x / v, torch.div(x, v)) and torch.equal(x - v, torch.sub(x, v))


def test_operators_compile_as_one_graph():
    torch._dynamo.reset()
    v = Variable([1.0, 2.0])

    def step(x):
        return (x * v + v) / v - (1 - v) ** 2 + x @ v

    x = torch.tensor([3.0, 4.0])
    assert torch.equal(torch.compile(step, backend="eager", fullgraph=True)(x), step(x))


def test_bits_beside_arrays():
    mask = np.array([True, False])
    v = Variable(np.array([True, True]))
    assert (v & mask).tolist() == (mask & v).tolist() == [True, False]
    assert (mask | v).tolist() == [True, True] and (mask ^ v).tolist() == [False, True]


def test_functions_of_numpy_see_the_numbers():
    v = Variable([1.0, 4.0])
    assert type(np.sqrt(v)) is np.ndarray and np.sqrt(v).tolist() == [1.0, 2.0]
    total = np.zeros(2, "float32")
    total += v
    assert total.tolist() == [1.0, 4.0] and np.add.reduce(v) == 5.0
    assert round(Variable(2.0 / 3), 1).item() == pytest.approx(0.7)


def test_initializers_by_name_config_and_class():
    assert Variable("ones", shape=(2,)).tolist() == [1.0, 1.0]
    assert Variable("zeros", shape=[2], dtype="int32").dtype == torch.int32
    config = {"class_name": "Constant", "config": {"value": 3.0}}
    assert Variable(config, shape=(np.int64(2),)).tolist() == [3.0, 3.0]
    for wrong in (
        lambda: Variable("ones"),
        lambda: Variable("no such thing", shape=(2,)),
        lambda: Variable("ones", shape=(None, 2)),
        lambda: Variable([1.0], aggregation="some"),
        lambda: Variable([1.0], synchronization="never"),
    ):
        with pytest.raises(ValueError):
            wrong()
    assert Variable([1.0], aggregation=None).aggregation == "none"


def test_updates_in_another_type():
    v = Variable([1, 2, 3], trainable=False)
    v.assign_add(-0.5)
    assert v.tolist() == [0, 1, 2]  # the sum is cut, not what is added
    v.assign_sub([True, False, True])
    assert v.tolist() == [-1, 1, 1]
    with pytest.raises(ValueError, match="shape"):
        v.assign_add(np.ones((2, 3)))
    v.assign(v)
    v.assign_add([[1]][0])
    assert v.tolist() == [0, 2, 2]


def test_looking_at_any_attribute():
    inspect.getmembers(Variable(1.0))
    assert not hasattr(Variable(1.0), "imag")
    assert Variable(torch.tensor([1 + 2j])).imag.tolist() == [2.0]
