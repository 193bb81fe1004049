"""audio_dataset_from_directory: folders of wav files as a dataset.

May import this room.
"""

import torch

from torchkeras.utils.folders import Folder
from torchkeras.utils.wav_files import read_wav, resampled


def audio_dataset_from_directory(
    directory,
    labels="inferred",
    label_mode="int",
    class_names=None,
    batch_size=32,
    sampling_rate=None,
    output_sequence_length=None,
    ragged=False,
    shuffle=True,
    seed=None,
    validation_split=None,
    subset=None,
    follow_links=False,
    verbose=True,
):
    """The `.wav` files of a folder as a dataset of batches `(batch, samples, channels)`, float32 from -1 to 1.

    Arguments but these three are those of `image_dataset_from_directory`.

    Args:
        sampling_rate: samples per second to which all files are brought; by default each keeps its own.
        output_sequence_length: number of samples (at the new rate) to which all are cut or filled up with zeros. By
            default they are filled up to the longest of their batch.
        ragged: False. torch has no tensors with rows of different lengths.

    Files hold whole numbers of 8, 16, 24 or 32 bits, or floats of 32 or 64.

    Raises `ValueError` for arguments that do not fit each other, and `FileNotFoundError` without the folder. A file
    that is no sound raises while the dataset is used, with its name.

    Example:
        >>> import pathlib, wave
        >>> for name in ("high", "low"):
        ...     pathlib.Path("sounds", name).mkdir(parents=True)
        ...     with wave.open(f"sounds/{name}/1.wav", "wb") as file:
        ...         file.setparams((1, 2, 8000, 0, "NONE", ""))
        ...         file.writeframes(bytes(200))
        >>> dataset = audio_dataset_from_directory("sounds", verbose=False)
        >>> next(iter(dataset))[0].shape
        torch.Size([2, 100, 1])

    In torch: `torchaudio.load` in a DataLoader.
    """
    if ragged and output_sequence_length is not None:
        raise ValueError("`ragged` and `output_sequence_length` exclude each other.")
    if ragged:
        raise ValueError(
            "ragged=True makes batches with rows of different lengths, which torch does not have. Leave it out to have "
            "them filled up with zeros, or take single sounds by batch_size=None."
        )
    for name, value, least in (
        ("sampling_rate", sampling_rate, 1),
        ("output_sequence_length", output_sequence_length, 0),
    ):
        if value is not None and (isinstance(value, bool) or not hasattr(value, "__index__") or value < least):
            raise ValueError(f"`{name}` must be a whole number of at least {least}, or None; got {value!r}.")
    folder = Folder(
        directory, labels, label_mode, class_names, (".wav",), "audio files", shuffle, seed, validation_split, subset,
        follow_links, verbose,
    )  # fmt: skip
    return folder.datasets(_Sound(sampling_rate, output_sequence_length), batch_size, output_sequence_length is None)


class _Sound:
    """The samples of a file."""

    def __init__(self, rate, length):
        self.rate, self.length = rate, length

    def __call__(self, path):
        samples, rate = read_wav(path, self.length if self.rate is None else None)
        if self.rate is not None:
            samples = resampled(samples, rate, self.rate)
        if self.length is None:
            return samples
        samples = samples[: self.length]
        return torch.nn.functional.pad(samples, (0, 0, 0, self.length - len(samples)))
