"""Recurrent layers: `recurrent.py` drives cells over steps, `cells.py` is what our cells share, `fused.py` torch's kernels.

May import core, random and the families below layers.
"""

from torchkeras.layers.rnn.lstm import LSTM, LSTMCell
from torchkeras.layers.rnn.recurrent import RNN
from torchkeras.layers.rnn.stacked import StackedRNNCells

__all__ = ["LSTM", "RNN", "LSTMCell", "StackedRNNCells"]
