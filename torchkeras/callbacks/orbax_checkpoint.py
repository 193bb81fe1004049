"""OrbaxCheckpoint: a name that says what to use in its place.

Imports the callback base.
"""

from torchkeras.callbacks.callback import Callback


class OrbaxCheckpoint(Callback):
    """Keras's callback for checkpoints of JAX's library Orbax, which it needs on every backend. It is not written here:
    making one raises.

    Args:
        directory, monitor, verbose, save_best_only, mode, save_freq, initial_value_threshold, max_to_keep,
            save_on_background, save_weights_only: as in Keras.

    Raises:
        ImportError: always, as in Keras where the package is missing. `ModelCheckpoint` saves models and weights on the
            same occasions, with the same monitor; `BackupAndRestore` saves what a training needs to go on.

    In torch: `torch.distributed.checkpoint.save({"model": model.state_dict()}, checkpoint_id=folder)`, for models whose
    weights are spread over several processes.
    """

    def __init__(
        self,
        directory,
        monitor="val_loss",
        verbose=0,
        save_best_only=False,
        mode="auto",
        save_freq="epoch",
        initial_value_threshold=None,
        max_to_keep=1,
        save_on_background=True,
        save_weights_only=False,
    ):
        raise ImportError(
            "OrbaxCheckpoint writes the format of JAX's library Orbax, which torchkeras does not: use "
            "ModelCheckpoint(path, monitor, save_best_only, save_freq) for models and weights, "
            "BackupAndRestore(backup_dir) to go on with a training that is broken off, or "
            "torch.distributed.checkpoint for weights that are spread over several processes."
        )
