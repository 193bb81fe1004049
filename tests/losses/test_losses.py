"""Losses on their own: older spellings, lookup, weights, masks, tracing, errors."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import torchkeras.keras2  # noqa: F401 - the older spellings
from torchkeras import losses
from torchkeras.core.registry import custom_object_scope
from torchkeras.core.scopes import clear_session
from torchkeras.layers import Input

# -- reduction words and the older spellings ------


def test_auto_is_the_mean_and_is_saved_as_such():
    loss = losses.MeanSquaredError(reduction="auto")
    assert loss.reduction == "sum_over_batch_size"
    assert loss.get_config()["reduction"] == "sum_over_batch_size"
    assert losses.MeanSquaredError("auto").reduction == "sum_over_batch_size"


def test_reduction_class():
    words = losses.Reduction
    assert words.all() == (words.AUTO, words.NONE, words.SUM, words.SUM_OVER_BATCH_SIZE)
    assert words.all() == ("auto", "none", "sum", "sum_over_batch_size")
    assert losses.MeanSquaredError(reduction=words.SUM)([[1.0], [2.0]], [[3.0], [4.0]]) == 8.0
    with pytest.raises(ValueError, match="'median'"):
        words.validate("median")


class Halved(losses.Loss):
    def call(self, y_true, y_pred):
        return (y_pred - y_true).sum(-1) / 2


@pytest.mark.parametrize(
    ("args", "name", "reduction"),
    [
        (("sum",), None, "sum"),
        (("sum", "mine"), "mine", "sum"),
        (("auto", "mine"), "mine", "sum_over_batch_size"),
        (("mine", "sum"), "mine", "sum"),
        (("mine",), "mine", "sum_over_batch_size"),
    ],
)
def test_positional_arguments_in_either_order(args, name, reduction):
    loss = Halved(*args)
    assert loss.reduction == reduction
    assert loss.name == name or name is None


def test_constructor_of_a_subclass_passes_arguments_up():
    class Scaled(losses.Loss):
        def __init__(self, scale, reduction="sum", name="scaled"):
            super().__init__(reduction=reduction, name=name)
            self.scale = scale

        def call(self, y_true, y_pred):
            return self.scale * (y_true - y_pred).abs().mean(-1)

    assert Scaled(3.0)([[0.0], [0.0]], [[1.0], [2.0]]) == 9.0
    assert Scaled(1.0).get_config() == {"name": "scaled", "reduction": "sum"}


@pytest.mark.parametrize("word", ["average", 3])
def test_unknown_reduction_is_refused(word):
    with pytest.raises(ValueError, match="reduction"):
        losses.MeanSquaredError(reduction=word)


def test_mean_words_differ_only_by_the_divisor():
    y_true, y_pred, weights = [[0.0], [0.0]], [[2.0], [4.0]], [1.0, 1.0]
    given = {word: losses.MeanSquaredError(reduction=word) for word in ("mean", "mean_with_sample_weight", "sum")}
    assert given["mean"](y_true, y_pred, [1.0, 0.5]) == 6.0
    assert given["mean_with_sample_weight"](y_true, y_pred, [1.0, 0.5]) == pytest.approx(8.0)
    assert given["sum"](y_true, y_pred, weights) == 20.0
    assert losses.MeanSquaredError()(y_true, y_pred, weights) == 10.0


# -- numbers that the two generations of Keras disagree on ------


def test_equal_data_of_different_rank_has_no_error():
    data = torch.tensor([1.0, 2.0, 3.0])
    assert losses.MeanSquaredError()(data, data[:, None]) == 0.0


def test_result_is_float32_for_integer_targets_and_float64_predictions():
    y_pred = torch.tensor([[0.5]], dtype=torch.float64)
    assert losses.MeanSquaredError()(torch.tensor([[1]]), y_pred).dtype == torch.float32
    assert losses.MeanSquaredError(dtype="float64")(torch.tensor([[1]]), y_pred).dtype == torch.float64


def test_probability_zero_of_a_positive_is_clipped_at_epsilon():
    assert losses.binary_crossentropy([1.0], [0.0]).item() == pytest.approx(16.118, abs=1e-3)


def test_unnormalised_probabilities_are_normalised_first():
    loss = losses.sparse_categorical_crossentropy(torch.tensor([0]), torch.tensor([[2.0, 6.0]]))
    assert loss.item() == pytest.approx(1.3863, abs=1e-4)


def test_binary_targets_outside_zero_and_one_are_computed():
    loss = losses.BinaryCrossentropy()(torch.tensor([[2.0]]), torch.tensor([[0.5]]))
    assert loss.item() == pytest.approx(np.log(2.0), abs=1e-5)
    assert losses.BinaryCrossentropy()([[-1.0]], [[0.8]]).item() == pytest.approx(
        np.log(0.8) - 2 * np.log(0.2), abs=1e-5
    )


def test_cosine_loss_is_minus_the_cosine():
    assert losses.CosineSimilarity()([[1.0, 0.0]], [[1.0, 0.0]]).item() == pytest.approx(-1.0)


def test_names():
    assert losses.Huber().name == "huber_loss"
    assert losses.KLDivergence().name == "kl_divergence"
    clear_session()
    assert [Halved().name, Halved().name] == ["halved", "halved_1"]


def test_integer_targets_keep_their_precision():
    classes = torch.tensor([16777217])
    seen = []

    def spy(y_true, y_pred):
        seen.append(y_true)
        return torch.zeros(1)

    spy.keeps_labels = True
    losses.LossFunctionWrapper(spy)(classes, torch.zeros(1, 2))
    assert seen[0].dtype == torch.int64
    del spy.keeps_labels
    losses.LossFunctionWrapper(spy)(classes, torch.zeros(1, 2))
    assert seen[1].dtype == torch.float32


# -- weights and masks ------


def test_weights_of_samples_are_expanded_over_steps():
    y_true, y_pred = torch.zeros(2, 3, 1), torch.arange(6.0).reshape(2, 3, 1)
    loss = losses.MeanSquaredError()(y_true, y_pred, sample_weight=[1.0, 0.0])
    assert loss.item() == pytest.approx((0 + 1 + 4) / 6)
    square = torch.ones(2, 2, 1)
    assert losses.MeanSquaredError(reduction="none")(0 * square, square, [1.0, 0.0]).tolist() == [[1, 1], [0, 0]]


def test_masked_loss_divides_by_valid_steps():
    y_pred = torch.tensor([[[1.0], [4.0], [9.0], [9.0]]])
    y_pred._keras_mask = torch.tensor([[True, True, False, False]])
    assert losses.MeanAbsoluteError()(torch.zeros(1, 4, 1), y_pred) == 2.5
    assert losses.MeanAbsoluteError(reduction="sum")(torch.zeros(1, 4, 1), y_pred) == 5.0
    y_pred._keras_mask = torch.zeros(1, 4, dtype=torch.bool)
    assert losses.MeanAbsoluteError()(torch.zeros(1, 4, 1), y_pred) == 0.0


def test_masks_and_weights_of_samples():
    y_pred = torch.tensor([[[1.0], [3.0]], [[5.0], [7.0]]])
    y_pred._keras_mask = torch.tensor([[True, False], [True, True]])
    loss = losses.MeanAbsoluteError()(torch.zeros(2, 2, 1), y_pred, sample_weight=[2.0, 1.0])
    assert loss.item() == pytest.approx((2 * 1 + 5 + 7) / 3)


def test_ignored_class_counts_nowhere():
    y_pred = torch.tensor([[0.5, 0.5], [0.1, 0.9]], requires_grad=True)
    loss = losses.SparseCategoricalCrossentropy(ignore_class=0)(torch.tensor([1, 0]), y_pred)
    assert loss.item() == pytest.approx(np.log(2.0))
    loss.backward()
    assert y_pred.grad[1].tolist() == [0.0, 0.0]
    values = losses.sparse_categorical_crossentropy(torch.tensor([1, -1]), y_pred.detach(), ignore_class=-1)
    assert values[1] == 0.0
    assert values._keras_mask.tolist() == [True, False]


def test_weights_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"shape \(3,\).*shape \(2,\)"):
        losses.MeanSquaredError()(torch.zeros(2, 1), torch.ones(2, 1), sample_weight=[1.0, 2.0, 3.0])


# -- inputs ------


def test_lists_arrays_and_tensors_give_one_number():
    y_true, y_pred = [[0.0, 1.0]], [[0.25, 0.5]]
    wanted = losses.BinaryCrossentropy()(torch.tensor(y_true), torch.tensor(y_pred))
    for kind in (np.array, list, lambda rows: [torch.tensor(row) for row in rows]):
        assert losses.BinaryCrossentropy()(kind(y_true), kind(y_pred)) == pytest.approx(wanted.item())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.sparse_categorical_crossentropy(torch.zeros(3), torch.zeros(2, 4)), r"\(2,\), got \(3,\)"),
        (lambda: losses.categorical_crossentropy(torch.zeros(2), torch.zeros(2, 4)), "same shape"),
        (lambda: losses.BinaryCrossentropy()(torch.zeros(2, 3), torch.zeros(2, 4)), "same shape"),
        (lambda: losses.MeanSquaredError()([[1.0], [1.0, 2.0]], [[1.0], [2.0]]), "length|inhomogeneous"),
        (lambda: losses.categorical_crossentropy(torch.zeros(1, 2), torch.zeros(1, 2), axis=True), "axis"),
        (lambda: losses.get("mean_sqared_error"), "mean_squared_error"),
        (lambda: losses.get(7), "7"),
    ],
)
def test_bad_input_says_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_one_class_warns():
    with pytest.warns(SyntaxWarning, match="binary_crossentropy"):
        losses.categorical_crossentropy(torch.ones(2, 1), torch.ones(2, 1))


def test_call_must_be_defined():
    with pytest.raises(NotImplementedError, match="call"):
        losses.Loss()(torch.zeros(1), torch.zeros(1))


def test_overridden_call_of_a_published_class_is_used():
    class Shifted(losses.MeanSquaredError):
        def call(self, y_true, y_pred):
            return super().call(y_true, y_pred) + 1.0

    assert Shifted()(torch.zeros(2, 1), torch.ones(2, 1)) == 2.0


# -- names and configs ------


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("logcosh", "log_cosh"),
        ("huber_loss", "huber"),
        ("kullback_leibler_divergence", "kl_divergence"),
        ("cosine_proximity", "cosine_similarity"),
        ("kld", "kl_divergence"),
        ("MSE", "mean_squared_error"),
    ],
)
def test_older_strings(name, function):
    assert losses.get(name) is getattr(losses, function)
    assert getattr(losses, name) is getattr(losses, function)


def test_get_accepts_all_forms():
    assert losses.get(None) is None
    assert isinstance(losses.get("Huber"), losses.Huber)
    assert isinstance(losses.get(losses.Huber), losses.Huber)
    loss = losses.Huber()
    assert losses.get(loss) is loss
    assert losses.get({"class_name": "BinaryCrossentropy", "config": {"from_logits": True}}).from_logits is True

    def mine(y_true, y_pred):
        return y_pred - y_true

    assert losses.get(mine) is mine
    with custom_object_scope({"mine": mine}):
        assert losses.get("mine") is mine


def test_older_config_with_a_function_is_read():
    config = {"reduction": "auto", "name": "mean_squared_error", "fn": "mean_squared_error"}
    assert losses.MeanSquaredError.from_config(config).reduction == "sum_over_batch_size"


def test_arguments_that_keras_does_not_write_survive_a_round_trip():
    assert "delta" not in losses.Huber().get_config()
    assert losses.Huber.from_config(losses.Huber(delta=0.3).get_config()).delta == 0.3


def test_wrapper_config_round_trip():
    loss = losses.LossFunctionWrapper(losses.huber, reduction="sum", name="h", delta=0.5)
    again = losses.LossFunctionWrapper.from_config(loss.get_config())
    assert again.fn is losses.huber
    assert again.get_config() == loss.get_config()
    assert again([[0.0]], [[2.0]]) == loss([[0.0]], [[2.0]]) == pytest.approx(0.875)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda loss: pickle.loads(pickle.dumps(loss))])
def test_copies(copied):
    loss = copied(losses.BinaryCrossentropy(from_logits=True, name="b"))
    wanted = F.binary_cross_entropy_with_logits(torch.tensor([[2.0]]), torch.tensor([[1.0]]))
    assert loss(torch.tensor([[1.0]]), torch.tensor([[2.0]])) == wanted


# -- torch ------


@pytest.mark.parametrize(
    "name", ["MeanSquaredError", "BinaryCrossentropy", "CategoricalCrossentropy", "Huber", "Hinge"]
)
def test_traces_without_a_break(name):
    loss = getattr(losses, name)()
    y_true, y_pred = torch.eye(3), torch.rand(3, 3)
    compiled = torch.compile(loss, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(y_true, y_pred), loss(y_true, y_pred))


@pytest.mark.parametrize("ignore_class", [None, 0])
@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 0.5])])
def test_sparse_traces_without_a_break(ignore_class, weights):
    loss = losses.SparseCategoricalCrossentropy(ignore_class=ignore_class)
    y_true, y_pred = torch.tensor([0, 1]), torch.rand(2, 3)
    compiled = torch.compile(lambda t, p: loss(t, p, weights), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(y_true, y_pred), loss(y_true, y_pred, weights))


def test_masked_loss_traces_without_a_break():
    loss = losses.MeanSquaredError()
    mask = torch.tensor([[True, False], [True, True]])

    def masked(y_true, y_pred):
        y_pred = y_pred * 1.0
        y_pred._keras_mask = mask
        return loss(y_true, y_pred)

    y_true, y_pred = torch.zeros(2, 2, 1), torch.rand(2, 2, 1)
    compiled = torch.compile(masked, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(y_true, y_pred), masked(y_true, y_pred))


def test_functions_under_vmap_and_grad():
    y_true, y_pred = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.3, 0.6]])
    gradient = torch.func.grad(lambda p: losses.BinaryCrossentropy()(y_true, p))(y_pred)
    torch.testing.assert_close(gradient, torch.tensor([[1 / 0.7 / 2, -1 / 0.6 / 2]]))


# -- graphs --------------------------------------------------------------------------------


def test_functions_and_losses_on_symbolic_tensors_become_nodes():
    y_true, y_pred = Input((3,)), Input((3,))
    values = losses.binary_crossentropy(y_true, y_pred, from_logits=True)
    total = losses.MeanSquaredError(reduction="sum")(y_true, y_pred)
    assert (values.shape, total.shape) == ((None,), ())
    node = values.node
    data = torch.zeros(2, 3), torch.ones(2, 3)
    wanted = losses.binary_crossentropy(*data, from_logits=True)
    torch.testing.assert_close(node.operation(*data, **node.arguments.kwargs), wanted)
    assert total.node.operation(*data) == 2.0
