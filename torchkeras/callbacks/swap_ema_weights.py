"""SwapEMAWeights: evaluation and saving with the moving averages of the weights.

Imports the callback base. Knows of an optimizer its averages and the variables that they are of.
"""

import torch

from torchkeras.callbacks.callback import Callback


class SwapEMAWeights(Callback):
    """Puts the averages that an optimizer with `use_ema=True` keeps in the place of the weights, and back.

    They are exchanged around each evaluation and prediction, so that metrics are those of the averaged model.

    Args:
        swap_on_epoch: whether the model also has them from the end of an epoch to the beginning of the next, for
            callbacks that stand after this one in the list, such as ModelCheckpoint.

    After `fit` the model has the averages, as always with `use_ema=True`. Where another callback stops the training,
    list it before this one if `swap_on_epoch=True`.

    Raises:
        ValueError: when it would exchange them, where the optimizer keeps no averages.

    Example:
        >>> model.compile(keras.optimizers.SGD(0.1, use_ema=True), "mse")
        >>> history = model.fit(x, y, validation_split=0.5, callbacks=[SwapEMAWeights()], verbose=0)
    """

    resumed = ("_ema_weights_in_model",)

    def __init__(self, swap_on_epoch=False):
        super().__init__()
        self.swap_on_epoch = swap_on_epoch
        self._ema_weights_in_model = False

    def on_epoch_begin(self, epoch, logs=None):
        if self.swap_on_epoch:
            self._show_averages(False)

    def on_epoch_end(self, epoch, logs=None):
        if not self.swap_on_epoch or self._ema_weights_in_model:
            return
        self._show_averages(True)
        if epoch == self.params["epochs"] - 1 or self.model.stop_training:
            # `fit` ends by giving the weights the values of the averages, which have to be the averages then.
            for variable, average in self._pairs():
                average.copy_(variable)

    def on_test_begin(self, logs=None):
        self._show_averages(True)

    def on_test_end(self, logs=None):
        self._show_averages(False)

    def on_predict_begin(self, logs=None):
        self._show_averages(True)

    def on_predict_end(self, logs=None):
        self._show_averages(False)

    def _show_averages(self, wanted):
        """Exchanges the values if the model does not have the wanted ones."""
        if wanted == self._ema_weights_in_model:
            return
        for variable, average in self._pairs():
            weight = variable.clone()
            variable.copy_(average)
            average.copy_(weight)
        self._ema_weights_in_model = wanted

    def _pairs(self):
        """`(variable, its average)`, as plain tensors without gradients."""
        optimizer = self.model.optimizer
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of one that scales the loss
        several = getattr(optimizer, "optimizers", None)
        used = [each for each in (several or [optimizer]) if getattr(each, "use_ema", False)]
        if not used:
            raise ValueError(
                f"SwapEMAWeights needs moving averages, which {type(optimizer).__name__} does not keep: make it with "
                "use_ema=True."
            )
        pairs = []
        for each in used:
            if not each.built:
                raise ValueError(
                    f"{type(each).__name__} has no moving averages yet: train the model first, or load its state."
                )
            pairs.extend(zip(each._trainable_variables, each._model_variables_moving_average, strict=True))
        return [(_plain(variable), _plain(average)) for variable, average in pairs]


def _plain(variable):
    return torch.Tensor.detach(variable)
