"""What a CSVLogger leaves behind, and when."""

import csv

import numpy as np

import torchkeras as keras
from torchkeras.callbacks import CSVLogger


def rows(path, **form):
    return list(csv.reader(path.read_text().splitlines(), **form))


def logged(logger, *epochs):
    logger.on_train_begin()
    for epoch, logs in enumerate(epochs):
        logger.on_epoch_end(epoch, logs)
    logger.on_train_end()


def test_a_row_is_there_as_soon_as_its_epoch_ends(tmp_path):
    logger = CSVLogger(tmp_path / "log.csv")
    logger.on_train_begin()
    logger.on_epoch_end(0, {"loss": 0.5})
    assert rows(tmp_path / "log.csv") == [["epoch", "loss", "val_loss"], ["0", "0.5", "NA"]]
    logger.on_train_end()
    assert logger.csv_file.closed


def test_values_of_every_kind(tmp_path):
    logged(CSVLogger(tmp_path / "log.csv", separator="|"), {"a": np.array([0.5, 1.0]), "b": "up", "c": np.array(2)}, {})
    assert rows(tmp_path / "log.csv", delimiter="|", quotechar="'") == [
        ["epoch", "a", "b", "c", "val_a", "val_b", "val_c"],
        ["0", '"""[0.5, 1.0]"""', "up", "2", "NA", "NA", "NA"],
        ["1", *["NA"] * 6],
    ]


def test_a_training_that_broke_off_leaves_the_file_and_the_next_starts_anew(tmp_path):
    logger = CSVLogger(str(tmp_path / "log.csv"))
    logger.on_train_begin()
    logger.on_epoch_end(0, {"loss": 1.0})
    first = logger.csv_file
    logged(logger, {"mae": 2.0})
    assert first.closed
    assert rows(tmp_path / "log.csv") == [["epoch", "mae", "val_mae"], ["0", "2.0", "NA"]]


def test_appending_over_several_fits(tmp_path):
    logger = CSVLogger(tmp_path / "log.csv", append=True)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    for _ in range(3):
        model.fit(np.ones((4, 3)), np.ones((4, 1)), epochs=2, verbose=0, callbacks=[logger])
    assert [row[0] for row in rows(tmp_path / "log.csv")] == ["epoch", *"010101"]
