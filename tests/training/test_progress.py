"""The progress bar can be had from training as well."""

from torchkeras.callbacks import progress as below
from torchkeras.training.progress import Progbar


def test_same_class():
    assert Progbar is below.Progbar
