"""to_categorical: kinds of labels, dtypes, and what is no class."""

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras.errors import LabelError


@pytest.mark.parametrize("labels", [[0, 5], [-1, 0]])
def test_what_is_no_class_is_refused(labels):
    with pytest.raises(LabelError, match=r"Class indices must lie in 0\.\.2") as caught:
        keras.utils.to_categorical(labels, 3)
    assert isinstance(caught.value, (IndexError, ValueError))


def test_tensors_become_tensors_of_the_wanted_dtype():
    labels = torch.tensor([[0], [2]])
    assert keras.utils.to_categorical(labels).dtype == torch.float32
    made = keras.utils.to_categorical(labels, num_classes=4, dtype="int64")
    assert made.dtype == torch.int64 and made.tolist() == [[1, 0, 0, 0], [0, 0, 1, 0]]


def test_no_number_of_classes_is_that_of_the_labels():
    for none in (None, 0):
        np.testing.assert_array_equal(keras.utils.to_categorical([0, 2], none), [[1, 0, 0], [0, 0, 1]])
