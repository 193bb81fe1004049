"""Folders of images: what is no image, names of every kind, memory."""

import gc
import io
import os
import random

import numpy as np
import psutil
import pytest
from PIL import Image

import torchkeras as keras
from torchkeras.errors import ResourceLimitError


def photo(path, seed=0, side=32, **arguments):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype="uint8")
    Image.fromarray(pixels).save(path, **arguments)


def read(folder, **arguments):
    return keras.utils.image_dataset_from_directory(folder, image_size=(8, 8), verbose=False, **arguments)


@pytest.mark.parametrize("form", ["png", "jpeg", "gif", "bmp"])
def test_damaged_images_are_named(form, tmp_path):
    file = io.BytesIO()
    Image.fromarray(np.arange(1200, dtype="uint8").reshape(20, 20, 3)).save(file, form)
    good, rng, outcomes = file.getvalue(), random.Random(0), set()
    (tmp_path / "a").mkdir()
    for number in range(30):
        content = bytearray(good)
        for _ in range(rng.randint(1, 6)):
            content[rng.randrange(min(60, len(content)))] = rng.randrange(256)
        if number % 3 == 0:
            content = content[: rng.randrange(len(content))]
        path = tmp_path / "a" / f"damaged.{form}"
        path.write_bytes(content)
        try:
            (element,) = read(tmp_path, labels=None, batch_size=None)
            outcomes.add(tuple(element.shape))
        except (OSError, ResourceLimitError) as error:
            assert str(path) in str(error)
            outcomes.add("refused")
    assert "refused" in outcomes and outcomes <= {"refused", (8, 8, 3)}


def test_an_image_of_a_million_by_a_million_is_refused(tmp_path):
    photo(tmp_path / "a" / "bomb.bmp")
    content = bytearray((tmp_path / "a" / "bomb.bmp").read_bytes())
    content[18:26] = (10**6).to_bytes(4, "little") * 2
    (tmp_path / "a" / "bomb.bmp").write_bytes(content)
    with pytest.raises(ResourceLimitError, match=r"bomb\.bmp"):
        list(read(tmp_path))


def test_names_of_every_kind(tmp_path):
    names = ["ä ö/ü 1.png", "日本/猫.JPG", "emoji 🙂/x.y.z.jpeg", "d/UPPER.PNG", "d/below/deep.bmp", "d/.dot.gif"]
    for seed, name in enumerate(names):
        photo(tmp_path / name, seed)
    (tmp_path / "d" / "folder.png").mkdir()
    (tmp_path / "d" / "none.txt").write_text("no image")
    (tmp_path / "d" / "png").write_text("no image")
    os.symlink(tmp_path / names[0], tmp_path / "d" / "link.png")
    dataset = read(tmp_path, shuffle=False)
    assert dataset.class_names == ["d", "emoji 🙂", "ä ö", "日本"]
    found = [os.path.relpath(path, tmp_path) for path in dataset.file_paths]
    assert sorted(found) == sorted([*names, "d/link.png"])
    assert [len(x) for x, _ in dataset] == [7]


def test_links_to_folders(tmp_path):
    photo(tmp_path / "data" / "a" / "1.png")
    photo(tmp_path / "elsewhere" / "2.png")
    os.symlink(tmp_path / "elsewhere", tmp_path / "data" / "a" / "more")
    os.symlink(tmp_path / "elsewhere", tmp_path / "data" / "b")
    assert len(read(tmp_path / "data").file_paths) == 2  # a class may be a link
    assert len(read(tmp_path / "data", follow_links=True).file_paths) == 3
    os.symlink(tmp_path / "gone.png", tmp_path / "data" / "a" / "0.png")
    with pytest.raises(FileNotFoundError, match=r"0\.png could not be read"):
        list(read(tmp_path / "data"))


def test_memory_is_flat(tmp_path):
    for number in range(16):
        photo(tmp_path / str(number % 2) / f"{number}.jpg", number, 128)
    dataset = keras.utils.image_dataset_from_directory(tmp_path, image_size=(128, 128), batch_size=8, verbose=False)
    process, sizes = psutil.Process(), []
    for _ in range(6):  # 3 MB each
        for _ in dataset:
            pass
        gc.collect()
        sizes.append(process.memory_info().rss)
    assert min(sizes[-2:]) - max(sizes[:2]) < 6 * 2**20
