"""What `call` and `build` take, and which shape goes to which argument."""

import pytest
import torch

from torchkeras import KerasTensor
from torchkeras.core import calls
from torchkeras.core.calls import CallInfo


def test_facts_of_a_signature():
    def call(self, query, value, query_mask=None, training=False, **options):
        """Two tensors, a mask for one of them."""

    info = CallInfo(call)
    assert info.names == ["query", "value", "query_mask", "training"]
    assert (info.training, info.training_place, info.training_default) == (True, 3, False)
    assert info.any_keyword and not info.mask
    assert info.masks == {"query": "query_mask"}
    assert info.bind((1, 2), {"training": True, "more": 3}) == {
        "query": 1, "value": 2, "training": True, "options": {"more": 3},
    }  # fmt: skip


def test_training_by_keyword_only_has_no_place_and_none_is_no_default():
    info = CallInfo(lambda self, x, *, training=None: None)
    assert (info.training, info.training_place, info.training_default) == (True, None, None)


def test_tensor_arguments_hold_tensors_and_nothing_else():
    tensor, symbolic = torch.ones(2), KerasTensor((None, 3))
    arguments = {"x": tensor, "pair": [symbolic, None], "scale": 2.0, "mixed": [tensor, 1], "none": None, "empty": []}
    assert set(calls.tensor_arguments(arguments)) == {"x", "pair"}


def test_shapes_in_the_structure_of_tensors():
    found = calls.shape_tree({"a": torch.ones(2, 3), "b": [KerasTensor((None, 4)), None]})
    assert found == {"a": (2, 3), "b": [(None, 4), None]}


@pytest.mark.parametrize(
    ("build", "shapes", "expected"),
    [
        (lambda self, input_shape: 0, {"x": (1, 2)}, (((1, 2),), {})),
        (lambda self, input_shape: 0, {"q": (1,), "v": (2,)}, (((1,),), {})),
        (lambda self, q_shape, v_shape: 0, {"q": (1,), "v": (2,)}, ((), {"q_shape": (1,), "v_shape": (2,)})),
        (lambda self, q_shape, other=None: 0, {"q": (1,), "v": (2,)}, ((), {"q_shape": (1,)})),
        (lambda self, **shapes: 0, {"q": (1,), "v": (2,)}, ((), {"q_shape": (1,), "v_shape": (2,)})),
        (lambda self: 0, {"x": (1,)}, ((), {})),
        (lambda self, a, b: 0, {"q": (1,), "v": (2,)}, (((1,),), {})),
    ],
)
def test_which_shape_goes_to_which_argument(build, shapes, expected):
    assert calls.shape_arguments(build, shapes) == expected


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ([None, 3], (None, 3)),
        (torch.Size([2, 3]), (2, 3)),
        ([(None, 3), (None, 4)], [(None, 3), (None, 4)]),
        ({"a": [2, 3]}, {"a": (2, 3)}),
        (None, None),
    ],
)
def test_shapes_as_users_write_them(given, plain):
    normal = calls.normalize_shapes(given)
    assert normal == plain
    if isinstance(plain, tuple):
        assert normal.as_list() == list(plain)
