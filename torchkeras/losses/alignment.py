"""CTC: labels of sequences whose alignment with the steps is not known.

May import core, ops and this folder. Knows no model.
"""

import torch

from torchkeras.core.registry import published
from torchkeras.losses.loss import FunctionLoss, published_function
from torchkeras.losses.tensors import as_tensor, label_error
from torchkeras.ops.nn import ctc_loss


@published_function()
def ctc(y_true, y_pred):
    """Connectionist temporal classification. Source: Graves et al. 2006, https://www.cs.toronto.edu/~graves/icml_2006.pdf.

    Args:
        y_true: labels `(B, labels)`, integers; 0 is the blank, and padding behind the labels.
        y_pred: logits `(B, steps, classes)`.

    Raises `ValueError` for other ranks. In torch: `F.ctc_loss` on `log_softmax`.
    """
    y_pred = as_tensor(y_pred)
    y_true = as_tensor(y_true, None, y_pred.device)
    if y_true.dim() != 2 or y_pred.dim() != 3:
        raise ValueError(
            f"ctc takes labels (batch, labels) and logits (batch, steps, classes), got y_true of shape "
            f"{tuple(y_true.shape)} and y_pred of shape {tuple(y_pred.shape)}."
        )
    y_true = _known(y_true.to(torch.int32), y_pred.shape[2])
    batch, steps = y_pred.shape[:2]
    steps = torch.full((batch,), steps, dtype=torch.int32, device=y_pred.device)
    return ctc_loss.compute(y_true, y_pred, (y_true != 0).sum(-1, dtype=torch.int32), steps, mask_index=0)


def _known(labels, count):
    """Labels that torch's kernel may read by: it checks none. On a GPU nobody can look, so a strange one counts as the
    last class there."""
    strange = (labels < 0) | (labels >= count)
    if labels.device.type == "cpu" and not torch.compiler.is_compiling() and strange.any():
        raise label_error(labels.long(), count)
    return labels.clamp(0, count - 1)


ctc.keeps_labels = True


@published("loss", "keras.losses")
class CTC(FunctionLoss, function=ctc):
    """Connectionist temporal classification of logits `(batch, steps, classes)`; see `ctc`."""
