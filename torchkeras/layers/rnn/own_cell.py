"""OwnCell: recurrent layers that make their own cell and run torch's kernel where it computes the same.

May import core and the families below layers. The base of LSTM, GRU and SimpleRNN.
"""

import torch

from torchkeras import activations
from torchkeras.core import scopes, transforms
from torchkeras.core.fields import field, handed_on
from torchkeras.core.input_spec import InputSpec
from torchkeras.layers.rnn import fused, lstm_operator
from torchkeras.layers.rnn.recurrent import RNN

_HOOKS = ("call", "inner_loop", "get_initial_state")  # what subclasses override; the shortest ways go round them


def use_cudnn():
    """A slot for `use_cudnn`."""

    def convert(value):
        if value not in ("auto", True, False):
            raise ValueError(f"`use_cudnn` must be 'auto', True or False, got {value!r}.")
        return value

    return field("auto", convert=convert, in_config=False)


class OwnCell(RNN, without=["cell"]):
    """A subclass says in its head of which class its cell is, whose fields come first in its own, and declares
    `_kernel`, the name of torch's kernel in `fused.py`."""

    zero_output_for_mask = field(False, shown=False)

    _cell_class, _cell_name, _kernel = None, None, None
    _why = "the same arithmetic"
    _builds_all = True
    use_cudnn = "auto"  # of layers that have no such argument

    def __init_subclass__(cls, cell=None, **options):
        if cell is not None:
            cls._cell_class = cell
            options["fields_from"] = [handed_on(cell)]  # the cell converts them, so that seeds are drawn in its order
        super().__init_subclass__(**options)

    def _configure(self):
        own = {name: getattr(self, name) for name in self._cell_class._fields}
        name = self._cell_name or scopes.snake_case(self._cell_class.__name__)
        self.cell = self._cell_class(**own, dtype=self.dtype_policy, trainable=self.trainable, name=name)
        for each in own:  # what the cell made of them
            setattr(self, each, getattr(self.cell, each))
        super()._configure()
        self.input_spec = InputSpec(ndim=3)
        self._overridden = next(
            (name for name in _HOOKS if getattr(type(self), name) is not getattr(OwnCell, name)), None
        )

    def build(self, sequences_shape, initial_state_shape=None):
        super().build(sequences_shape, initial_state_shape)
        if self._kernel is not None:  # which reads wrong memory where the number of features is another
            self.input_spec = InputSpec(ndim=3, axes={-1: sequences_shape[-1]})

    def _check_sizes(self, sequences, states):
        """torch's kernels do not look: they read past the end of what is too small."""
        wanted = (sequences.shape[0], self.units)
        found = [tuple(state.shape) for state in states]
        if sequences.shape[1] == 0 or any(shape != wanted for shape in found):
            raise ValueError(
                f"Layer {self.name!r} takes sequences of at least one step and states of shape {wanted}, got sequences "
                f"of shape {tuple(sequences.shape)} and states of shape {found}."
            )

    def call(self, sequences, initial_state=None, mask=None, training=False):
        asked = initial_state is not None or mask is not None
        if asked or self.stateful or self.go_backwards or self.time_major or self.dropout or self._kernel is None:
            return super().call(sequences, initial_state, mask, training)
        if self._overridden or self._obstacle() is not None or sequences.dtype is not self.dtype_policy.torch_compute:
            return super().call(sequences, initial_state, mask, training)
        return self._call_plainly(sequences)

    def _call_plainly(self, sequences):
        """The usual call, straight to the kernel: zero states, nothing masked, nothing dropped."""
        self._check_sizes(sequences, ())
        last, outputs, states = self._run_kernel(sequences, None, None)
        output = outputs if self.return_sequences else last[0]
        return (output, *(state[0] for state in states)) if self.return_state else output

    def _obstacle(self):
        """Why torch's kernel cannot serve, or None."""
        if type(self.cell) is not self._cell_class:
            return f"the cell is a {type(self.cell).__name__}"
        wrong = self._wrong_activation(self.cell)  # which another cell, or another activation, may have been given
        if wrong is not None:
            return wrong
        if self.recurrent_dropout:
            return "recurrent_dropout works between the steps"
        if self.use_cudnn is False and self.cell.kernel.is_cuda:
            return "use_cudnn=False"
        if torch.compiler.is_dynamo_compiling() and torch.is_grad_enabled():
            if self._kernel != "lstm" or not lstm_operator.serves(self.cell.kernel):
                return "torch.compile cannot differentiate the kernel"  # on CPU it gives None for a saved tensor
        if transforms.beyond_kernels():
            return "the kernel knows no vmap, forward-mode or nested differentiation"
        return None

    def _wrong_activation(self, cell):
        if cell.activation is activations.tanh and cell.recurrent_activation is activations.sigmoid:
            return None
        return "the kernel knows tanh and sigmoid only"

    def explain_kernel(self):
        obstacle = self._obstacle()
        return (f"torch.{self._kernel}", self._why) if obstacle is None else ("loop over steps", obstacle)

    def _run(self, sequences, states, mask, training):
        obstacle = self._obstacle()
        if obstacle is not None:
            if self.use_cudnn is True:
                raise ValueError(f"Layer {self.name!r} was made with use_cudnn=True, but {obstacle}: use 'auto'.")
            return super()._run(sequences, states, mask, training)
        sequences = self._ready_for_kernel(sequences, states, training)
        last, outputs, states = self._run_kernel(sequences, [state.unsqueeze(0) for state in states], mask)
        if mask is not None and self.return_sequences and self.zero_output_for_mask:
            outputs = outputs.masked_fill(mask.logical_not().unsqueeze(-1), 0.0)
        return last.squeeze(0), outputs, [state.squeeze(0) for state in states]

    def _ready_for_kernel(self, sequences, states, training):
        """Sequences in the weights' dtype, after dropout."""
        self._check_sizes(sequences, states)
        if sequences.is_floating_point():
            sequences = sequences.to(self.dtype_policy.torch_compute)
        else:
            sequences = self._in_floats(sequences)
        if not self.dropout:
            return sequences
        dropped, _ = self.cell.draw_masks(sequences[:, 0], states[0], training)
        return sequences if dropped is None else sequences * dropped.unsqueeze(1)

    def _run_kernel(self, sequences, states, mask, *others):
        """`fused.run` for this layer, and for another one in the other direction."""
        needs_cell = self.return_state or self.stateful
        directions = [layer.cell.cast_weights() for layer in (self, *others)]
        return fused.run(self._kernel, sequences, states, mask, directions, self.return_sequences, needs_cell)
