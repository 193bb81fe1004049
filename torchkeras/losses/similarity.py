"""Circle: embeddings of one class close together, those of others apart.

May import core and this folder. Knows no model.
"""

import torch
import torch.nn.functional as F

from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.losses.loss import FunctionLoss, published_function
from torchkeras.losses.tensors import as_tensor


@published_function()
def circle(y_true, y_pred, ref_labels=None, ref_embeddings=None, remove_diagonal=True, gamma=80, margin=0.4):
    """Circle loss of each embedding. Source: Sun et al. 2020, https://arxiv.org/abs/2002.10857.

    With `d = 1 - cosine similarity`: `softplus(logsumexp_p(gamma * (d + margin)+ * (d - margin)) +
    logsumexp_n(gamma * (1 + margin - d)+ * (1 - margin - d)))` over references `p` of the same label and `n` of others.

    Args:
        y_true: labels `(B,)` or `(B, 1)`, integers.
        y_pred: embeddings `(B, size)` of length 1.
        ref_labels, ref_embeddings: labels and embeddings to compare with; by default those of the batch.
        remove_diagonal: whether an embedding is not compared with itself, where the batch is the reference.
        gamma: scale. margin: relaxation.

    Values of 0 are masked out of means.
    """
    y_pred = as_tensor(y_pred)
    references = y_pred if ref_embeddings is None else as_tensor(ref_embeddings, y_pred.dtype, y_pred.device)
    labels = as_tensor(y_true, None, y_pred.device).to(torch.int32).reshape(-1, 1)
    others = labels if ref_labels is None else as_tensor(ref_labels, None, y_pred.device).to(torch.int32)
    if y_pred.dim() != 2 or references.dim() != 2 or len(labels) != len(y_pred) or others.numel() != len(references):
        raise ValueError(
            f"circle takes embeddings (batch, size) and a label for each, got {len(labels)} labels for embeddings of "
            f"shape {tuple(y_pred.shape)}, {others.numel()} labels for references of shape {tuple(references.shape)}."
        )
    same = labels == others.reshape(1, -1)
    different = same.logical_not()
    if remove_diagonal:
        same = same & torch.eye(*same.shape, dtype=torch.bool, device=same.device).logical_not()
    distances = (1 - y_pred @ references.t()).clamp(min=0.0)
    near = gamma * (distances + margin).clamp(min=0.0) * (distances - margin)
    far = gamma * (1 + margin - distances).clamp(min=0.0) * (1 - margin - distances)
    none = float("-inf")
    near = torch.where(same, near, none).logsumexp(1)
    far = torch.where(different, far, none).logsumexp(1)
    values = F.softplus(near + far)
    values._keras_mask = values > 0
    return values


circle.keeps_labels = True


@published("loss", "keras.losses")
class Circle(FunctionLoss, function=circle, order=("gamma", "margin", "remove_diagonal", "reduction", "name", "dtype")):
    """Circle loss of embeddings and integer labels; see `circle`."""

    gamma = field(80.0)
