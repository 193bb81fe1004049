"""TensorBoard: what its own pages make of the files, what is read from the device when, and what is refused."""

import json
import sys

import numpy as np
import pytest
import torch
from google.protobuf import text_format
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.graph import keras_util
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
from tensorboard.util import tensor_util

import torchkeras as keras
from torchkeras.callbacks import TensorBoard
from torchkeras.callbacks.event_files import as_images

X, Y = np.ones((24, 3), "float32"), np.ones((24, 1), "float32")


def a_model(**compiled):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, name="dense")], name="net")
    model.compile(**{"optimizer": "sgd", "loss": "mse", **compiled})
    return model


def fit(model, callback, x=X, **arguments):
    model.fit(x, Y, callbacks=[callback], **{"batch_size": 4, "verbose": 0, "epochs": 2, **arguments})


def events(folder):
    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    accumulator.Reload()
    return accumulator


def scalars(folder):
    found = events(folder)
    return {
        tag: [(event.step, float(tensor_util.make_ndarray(event.tensor_proto))) for event in found.Tensors(tag)]
        for tag in found.Tags()["tensors"]
        if tag != "keras"
    }


def test_the_page_of_graphs_shows_the_layers(tmp_path):
    fit(a_model(), TensorBoard(tmp_path))
    (event,) = events(tmp_path / "train").Tensors("keras")
    graph = keras_util.keras_model_to_graph_def(json.loads(tensor_util.make_ndarray(event.tensor_proto).item()))
    assert "net/dense" in [node.name for node in graph.node]


def test_a_model_without_a_config_has_no_graph(tmp_path):
    layer = keras.layers.Lambda(lambda x: x, name="mine")
    layer.get_config = lambda: {"f": object()}
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1), layer])
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="gets no graph"):
        fit(model, TensorBoard(tmp_path))
    assert "keras" not in events(tmp_path / "train").Tags()["tensors"]


def test_logs_of_batches_are_read_where_they_are_written(tmp_path):
    reads = []

    class Counted(keras.metrics.MeanAbsoluteError):
        def result(self):
            reads.append(1)
            return super().result()

    fit(a_model(metrics=[Counted()]), TensorBoard(tmp_path, update_freq=4))
    assert len(reads) == 2 + 3  # two epochs of six batches, and every fourth batch
    assert [step for step, _ in scalars(tmp_path / "train")["batch_loss"]] == [4, 8, 12]
    assert [step for step, _ in scalars(tmp_path / "train")["epoch_loss"]] == [0, 1]


def test_a_metric_of_several_numbers(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="sigmoid")])
    model.compile("sgd", "mse", metrics=[keras.metrics.F1Score(threshold=0.5)])
    model.fit(X, np.tile([[1.0, 0.0]], (24, 1)), callbacks=[TensorBoard(tmp_path)], verbose=0)
    assert {"epoch_f1_score/0", "epoch_f1_score/1"} <= set(scalars(tmp_path / "train"))


def test_optimizers_of_torch(tmp_path):
    model = a_model(optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.25))
    fit(model, TensorBoard(tmp_path), validation_split=0.5)
    assert scalars(tmp_path / "train")["epoch_learning_rate"] == [(0, 0.25), (1, 0.25)]
    assert [step for step, _ in scalars(tmp_path / "validation")["evaluation_loss_vs_iterations"]] == [3, 6]


def test_what_is_written_can_be_seen_while_the_training_runs(tmp_path):
    seen = []
    look = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(len(scalars(tmp_path / "train")["epoch_loss"]))
    )
    a_model().fit(X, Y, epochs=2, verbose=0, callbacks=[TensorBoard(tmp_path), look])
    assert seen == [1, 2]


@pytest.mark.parametrize("profile_batch, batches", [(2, [2]), ((2, 4), [2, 3, 4]), ("3,4", [3, 4]), (100, [])])
def test_profile(profile_batch, batches, tmp_path):
    model = a_model()
    steps = []

    class Marks(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            steps.append(len(steps) + 1)
            with torch.profiler.record_function(f"batch {steps[-1]}"):
                pass

    model.fit(
        X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[TensorBoard(tmp_path, profile_batch=profile_batch), Marks()]
    )
    traces = list((tmp_path / "train").glob("*.pt.trace.json"))
    assert len(traces) == bool(batches)
    names = [event.get("name", "") for path in traces for event in json.loads(path.read_text())["traceEvents"]]
    assert sorted({name for name in names if name.startswith("batch ")}) == [f"batch {number}" for number in batches]


def test_a_training_that_ends_early_leaves_its_profile(tmp_path):
    fit(a_model(), TensorBoard(tmp_path, profile_batch=(2, 1000)))
    assert len(list((tmp_path / "train").glob("*.pt.trace.json"))) == 1


def embedded():
    model = keras.Sequential(
        [keras.Input((3,), dtype="int32"), keras.layers.Embedding(5, 4, name="words"), keras.layers.Flatten(),
         keras.layers.Dense(1)],
        name="net",
    )  # fmt: skip
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize("metadata", [None, "labels.tsv", {"words": "labels.tsv"}])
def test_the_projector_finds_the_tables(metadata, tmp_path):
    model = embedded()
    callback = TensorBoard(tmp_path, embeddings_freq=2, embeddings_metadata=metadata)
    fit(model, callback, X.astype("int32"), epochs=3)
    config = text_format.Parse((tmp_path / "projector_config.pbtxt").read_text(), ProjectorConfig())
    (entry,) = config.embeddings
    assert entry.tensor_name == "net/words/embeddings"
    assert entry.metadata_path == ("labels.tsv" if metadata else "")
    np.testing.assert_allclose(np.loadtxt(tmp_path / entry.tensor_path), model.layers[0].get_weights()[0], rtol=1e-6)
    saved = sorted(path.name for path in (tmp_path / "train").glob("*.h5"))
    assert saved == [f"keras_embedding.ckpt-{epoch}.weights.h5" for epoch in (0, 2)]
    model.load_weights(tmp_path / "train" / saved[-1])


def test_metadata_of_unknown_layers():
    with pytest.raises(ValueError, match=r"\['verbs'\], but the model's Embedding layers are \['words'\]"):
        TensorBoard(embeddings_freq=1, write_graph=False, embeddings_metadata={"verbs": "x"}).set_model(embedded())


def test_arguments():
    with pytest.warns(UserWarning, match="ignores `write_grads`"):
        TensorBoard(write_grads=True)
    with pytest.raises(TypeError, match="unknown argument `freq`"):
        TensorBoard(freq=2)
    with pytest.raises(ValueError, match="got '1,2,3'"):
        TensorBoard(profile_batch="1,2,3")
    assert TensorBoard(update_freq="batch").update_freq == 1


def test_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ModuleNotFoundError, match="pip install tensorboard"):
        fit(a_model(), TensorBoard(tmp_path))


@pytest.mark.parametrize(
    "shape, expected",
    [
        ((), None), ((5,), (1, 5, 1, 1)), ((5, 2), (1, 2, 5, 1)), ((2, 5), (1, 2, 5, 1)), ((3, 3, 8), (8, 3, 3, 1)),
        ((8, 3, 3, 3), (8, 3, 3, 3)), ((3, 3, 3, 8), None), ((2, 2, 2, 2, 3), None),
    ],
)  # fmt: skip
def test_weights_as_images(shape, expected):
    image = as_images(np.zeros(shape))
    assert (None if image is None else image.shape) == expected
