"""text_dataset_from_directory: folders of text files as a dataset.

May import this room.
"""

from torchkeras.utils.folders import Folder


def text_dataset_from_directory(
    directory,
    labels="inferred",
    label_mode="int",
    class_names=None,
    batch_size=32,
    max_length=None,
    shuffle=True,
    seed=None,
    validation_split=None,
    subset=None,
    follow_links=False,
    format="tf",
    verbose=True,
):
    """The `.txt` files of a folder as a dataset of texts (numpy strings) and labels.

    Arguments but `max_length`, the number of characters that are kept, are those of `image_dataset_from_directory`.

    Raises as that does.

    Example:
        >>> import pathlib
        >>> for name in ("bad", "good"):
        ...     pathlib.Path("reviews", name).mkdir(parents=True)
        ...     _ = pathlib.Path("reviews", name, "1.txt").write_text("It was " + name)
        >>> dataset = text_dataset_from_directory("reviews", verbose=False)
        >>> dataset.class_names
        ['bad', 'good']
    """
    folder = Folder(
        directory, labels, label_mode, class_names, (".txt",), "text files", shuffle, seed, validation_split, subset,
        follow_links, verbose,
    )  # fmt: skip
    return folder.datasets(_Text(max_length), batch_size)


class _Text:
    """The text of a file."""

    def __init__(self, max_length):
        self.max_length = max_length

    def __call__(self, path):
        with open(path, encoding="utf-8", newline="") as file:
            return file.read(-1 if self.max_length is None else self.max_length)
