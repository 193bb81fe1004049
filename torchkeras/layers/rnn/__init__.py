"""Recurrent layers. `recurrent.py` drives a cell over steps, `own_cell.py` takes torch's kernels (`fused.py`) where it
can, `cells.py` is what our cells share, `bidirectional.py` runs a layer from both ends.

May import core, random and the families below layers.
"""

from torchkeras.layers.rnn.bidirectional import Bidirectional
from torchkeras.layers.rnn.conv_lstm import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
from torchkeras.layers.rnn.gru import GRU, GRUCell
from torchkeras.layers.rnn.lstm import LSTM, LSTMCell
from torchkeras.layers.rnn.recurrent import RNN
from torchkeras.layers.rnn.simple_rnn import SimpleRNN, SimpleRNNCell
from torchkeras.layers.rnn.stacked import StackedRNNCells

__all__ = [
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "GRUCell",
    "LSTMCell",
    "SimpleRNN",
    "SimpleRNNCell",
    "StackedRNNCells",
]
