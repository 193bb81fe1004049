"""Projector: tables of Embedding layers as TensorBoard's projector page reads them.

May import core, layers and saving. Knows nothing of callbacks.
"""

import io
import os
from pathlib import Path

import numpy as np

from torchkeras.core.conversion import to_numpy
from torchkeras.layers import Embedding
from torchkeras.saving.replacing import replacing


class Projector:
    """The tables of a model's Embedding layers, in files below `log_dir`.

    Args:
        log_dir: where `projector_config.pbtxt` is written, at once.
        model: the model with the layers.
        metadata: file of the rows' labels, for all tables; or a dict from a layer's name to a file.

    Raises `ValueError` for metadata of layers that are not in the model or no Embedding.
    """

    def __init__(self, log_dir, model, metadata):
        from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

        self._folder, self._model = Path(log_dir), model
        self._layers = [layer for layer in model.layers if isinstance(layer, Embedding)]
        names = [layer.name for layer in self._layers]
        if isinstance(metadata, dict) and (unknown := [name for name in metadata if name not in names]):
            raise ValueError(f"`embeddings_metadata` names {unknown}, but the model's Embedding layers are {names}.")
        config = ProjectorConfig()
        for layer in self._layers:
            labels = metadata.get(layer.name) if isinstance(metadata, dict) else metadata
            entry = {"tensor_name": layer.embeddings.path, "tensor_path": self._table(layer)}
            config.embeddings.add(**entry, **({} if labels is None else {"metadata_path": os.fspath(labels)}))
        self._write("projector_config.pbtxt", str(config))

    def _table(self, layer):
        return f"{layer.name}.tsv"

    def write(self, epoch):
        """The tables as they are now, in place of those of earlier epochs, and the weights of this one."""
        for layer in self._layers:
            text = io.StringIO()
            np.savetxt(text, to_numpy(layer.embeddings.float()), fmt="%.8g", delimiter="\t")
            self._write(self._table(layer), text.getvalue())
        self._model.save_weights(self._folder / "train" / f"keras_embedding.ckpt-{epoch}.weights.h5")

    def _write(self, name, text):
        self._folder.mkdir(parents=True, exist_ok=True)
        with replacing(self._folder / name) as file:
            file.write(text.encode())
