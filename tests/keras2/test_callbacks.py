"""Callbacks of Keras 2."""

import numpy as np

import torchkeras as keras


def test_base_logger_averages_what_a_loop_hands_over():
    logger, seen = keras.callbacks.BaseLogger(stateful_metrics=["accuracy"]), {}
    callbacks = keras.callbacks.CallbackList([logger], metrics=["loss", "accuracy", "absent"])
    for _ in range(2):
        callbacks.on_epoch_begin(0)
        callbacks.on_train_batch_end(0, {"batch": 0, "size": 3, "loss": 1.0, "accuracy": 0.5, "other": 1.0})
        callbacks.on_train_batch_end(1, {"batch": 1, "size": 1, "loss": 5.0, "accuracy": 0.75, "other": 1.0})
        logger.on_epoch_end(0, seen)
        assert seen == {"loss": 2.0, "accuracy": 0.75}


def test_base_logger_leaves_the_logs_of_fit():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.ones((8, 3)), np.ones((8, 1))
    with_logger = model.fit(x, y, verbose=0, callbacks=[keras.callbacks.BaseLogger()])
    assert list(with_logger.history) == ["loss"]
