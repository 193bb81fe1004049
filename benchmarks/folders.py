"""A folder of JPEGs read once, against a DataLoader that decodes with Pillow by as many workers.

A step is a batch of ``BATCH`` images of 256x256, so that 50 of them are a pass over 2,000. The files lie in a folder
that goes with the process. Keras reads folders with TensorFlow only. Runs inside a worker only; torch is imported
inside functions.
"""

import os
import tempfile

import numpy as np

BATCH, WORKERS, SIDE = 40, 4, 256
SIZES = {"as_they_are": (SIDE, SIDE), "resized": (224, 224)}  # workload -> what the images are brought to

_folder = tempfile.TemporaryDirectory(prefix="benchmark-images-")


def images(steps):
    """Paths of as many files as ``steps`` batches have, in four classes: shapes and noise, some 30 KB each."""
    from PIL import Image

    rng, paths = np.random.default_rng(0), []
    for number in range(steps * BATCH):
        path = os.path.join(_folder.name, str(steps), f"class{number % 4}", f"{number}.jpg")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype="uint8"))
        pixels = np.asarray(coarse.resize((SIDE, SIDE), Image.BICUBIC)) + rng.integers(-8, 8, (SIDE, SIDE, 3))
        Image.fromarray(pixels.clip(0, 255).astype("uint8")).save(path, quality=90)
        paths.append(path)
    return paths


def in_keras(workload, steps, keras):
    """One pass over the folder in random order."""
    folder = os.path.dirname(os.path.dirname(images(steps)[0]))
    dataset = keras.utils.image_dataset_from_directory(
        folder, image_size=SIZES[workload], batch_size=BATCH, seed=0, verbose=False
    )
    return lambda: sum(len(x) for x, _ in dataset)


def by_hand(workload, steps):
    """The same as a good torch user writes it: whole numbers travel, floats are made of the batch, workers stay."""
    import torch
    from torch.utils.data import DataLoader

    loader = DataLoader(
        _Photos(images(steps), SIZES[workload]), BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True
    )

    def run():
        rows = 0
        for x, _ in loader:
            rows += len(x.to(torch.float32))
        return rows

    return run


class _Photos:
    def __init__(self, paths, size):
        self.paths, self.size = paths, size

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        from PIL import Image

        with Image.open(self.paths[index]) as image:
            image = image.convert("RGB")
        if image.size != self.size[::-1]:
            image = image.resize(self.size[::-1], Image.BILINEAR)
        return np.array(image), index % 4
