"""Masks that ride on tensors."""

import torch

import torchkeras as keras
from torchkeras.core.masks import any_mask, mask_of, masks_in


def masked():
    tensor, mask = torch.ones(2, 3), torch.tensor([[True, True, False], [True, False, False]])
    tensor._keras_mask = mask
    return tensor, mask


def test_a_mask_is_read_off_its_tensor():
    tensor, mask = masked()
    assert mask_of(tensor) is mask
    assert mask_of(torch.ones(1)) is None and mask_of(None) is None


def test_masks_in_the_form_of_a_structure():
    tensor, mask = masked()
    found = masks_in({"a": tensor, "b": [torch.ones(1), 3]})
    assert found["a"] is mask and found["b"] == [None, None]


def test_whether_there_is_any():
    assert any_mask(torch.ones(1)) and any_mask([None, torch.ones(1)]) and any_mask({"a": torch.ones(1)})
    assert not any_mask(None) and not any_mask([None, None]) and not any_mask({})


def test_a_mask_travels_through_layers_that_know_of_it_and_ends_where_one_uses_it_up():
    layers = keras.layers
    tokens = torch.tensor([[1, 2, 0], [3, 0, 0]])
    embedded = layers.Embedding(5, 4, mask_zero=True)(tokens)
    assert mask_of(embedded).tolist() == [[True, True, False], [True, False, False]]
    assert mask_of(layers.Dropout(0.5)(embedded)) is mask_of(embedded)
    assert mask_of(layers.LSTM(2)(embedded)) is None
    assert mask_of(layers.LSTM(2, return_sequences=True)(embedded)) is mask_of(embedded)
