"""EventFiles: one folder of TensorBoard's event files, written by torch's `SummaryWriter`.

May import core. Scalars have the form that TensorFlow 2 writes, so what reads Keras's files reads these.
"""

import warnings

import numpy as np

from torchkeras.core.conversion import to_numpy
from torchkeras.core.scopes import settings


class EventFiles:
    """Writes into the event file of a folder, which is made at once.

    Raises `ModuleNotFoundError` where the package `tensorboard` is missing.
    """

    def __init__(self, folder):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "The TensorBoard callback writes its files with the package tensorboard, which is not installed: "
                "pip install tensorboard"
            ) from error
        self._writer = SummaryWriter(str(folder))

    def flush(self):
        """Puts everything into the file, where a running TensorBoard finds it."""
        self._writer.flush()

    def close(self):
        """Ends the file."""
        self._writer.close()

    def write_logs(self, form, logs, step):
        """A scalar for each number of the logs, named after `form`."""
        for name, value in logs.items():
            if np.ndim(value) == 0:
                self.write_scalar(form.format(name), value, step)
            else:
                for index, one in enumerate(np.ravel(value)):
                    self.write_scalar(f"{form.format(name)}/{index}", one, step)

    def write_scalar(self, tag, value, step):
        """One number."""
        self._writer.add_scalar(tag, value, step, new_style=True)

    def write_histogram(self, tag, values, step):
        """How the values of a tensor are distributed."""
        self._writer.add_histogram(tag, to_numpy(values), step)

    def write_weight_as_image(self, tag, weight, step):
        """A weight as grey or coloured squares; nothing for one that is a single number, or has too many axes."""
        image = as_images(np.squeeze(to_numpy(weight)))
        if image is not None:
            self._writer.add_images(tag, image, step, dataformats="NHWC")

    def write_layers(self, model):
        """The layers of a Sequential or functional model, as TensorBoard's page of graphs shows Keras models."""
        if type(model).__name__ not in ("Functional", "Sequential"):
            return
        try:
            text = model.to_json()
        except (NotImplementedError, TypeError, ValueError) as error:
            warnings.warn(f"TensorBoard gets no graph: the model has no config. {error}", stacklevel=2)
            return
        self._write_text("keras", "graph_keras_model", b"1", text)

    def _write_text(self, tag, plugin, content, text):
        from tensorboard.compat.proto import summary_pb2, tensor_pb2

        Summary, SummaryMetadata = summary_pb2.Summary, summary_pb2.SummaryMetadata
        metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin, content=content))
        tensor = tensor_pb2.TensorProto(dtype="DT_STRING", string_val=[text.encode()])
        value = Summary.Value(tag=tag, metadata=metadata, tensor=tensor)
        self._writer.file_writer.add_summary(Summary(value=[value]), 0)


def as_images(weight):
    """An array of 1 to 4 axes as images `(number, height, width, channels)`; None for what makes no images."""
    if weight.ndim == 1:
        return weight[None, :, None, None]
    if weight.ndim == 2:  # lying rather than standing
        weight = weight.T if weight.shape[0] > weight.shape[1] else weight
        return weight[None, :, :, None]
    if weight.ndim == 3:
        return (np.moveaxis(weight, 2, 0) if settings.image_data_format == "channels_last" else weight)[..., None]
    return weight if weight.ndim == 4 and weight.shape[-1] in (1, 3, 4) else None
