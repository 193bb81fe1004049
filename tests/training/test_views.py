"""Names of training that Keras keeps private, as custom steps use them."""

import numpy as np
import pytest
import torch

import torchkeras as keras

X, Y = np.ones((4, 3), "float32"), np.zeros((4, 1), "float32")


class Custom(keras.Model):
    """A step in Keras's private names; `compute_loss` as it was before it took `training`."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        return 2.0 * self._compile_loss(y, y_pred, sample_weight)

    def train_step(self, data):
        x, y = data
        y_pred = self(x, training=True)
        loss = self._compute_loss(x, y, y_pred, training=True)
        self._loss_tracker.update_state(loss.detach(), sample_weight=len(x))
        self.zero_grad()
        loss.backward()
        with torch.no_grad():
            self.optimizer.apply([v.value.grad for v in self.trainable_weights], self.trainable_weights)
            self._compile_metrics.update_state(y, y_pred)
        logs = {"loss": self._loss_tracker.result(), **self._compile_metrics.result()}
        self.flat = self._flatten_metrics_in_order(self._get_metrics_result_or_logs(logs))
        return logs


@pytest.fixture
def model():
    inputs = keras.Input((3,))
    return Custom(inputs, keras.layers.Dense(1, kernel_initializer="ones")(inputs))


def test_a_step_in_private_names(model):
    model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
    history = model.fit(X, Y, verbose=0).history
    assert history == {"loss": [18.0], "mae": [3.0]}
    assert [float(value) for value in model.flat] == [18.0, 3.0]


def test_before_compile(model):
    assert (model._loss_tracker, model._compile_loss, model._compile_metrics) == (None, None, None)
    with pytest.raises(ValueError, match="compile"):
        model._assert_compile_called("fit")
