"""AdamW: Adam with weight decay beside the gradient. Source: Loshchilov and Hutter 2017, https://arxiv.org/abs/1711.05101.

May import core and Adam.
"""

from torchkeras.core.arguments import number
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.optimizers.adam import Adam


def _decay(value):
    if value is None:
        raise ValueError("`weight_decay` of AdamW must be a number, got None: for none at all use Adam.")
    return number("weight_decay")(value)


@published("optimizer", "keras.optimizers", aliases=("adamw",))
class AdamW(Adam):
    """`w -= rate * weight_decay * w`, then Adam's step.

    Args:
        learning_rate: number, schedule or callable.
        weight_decay: fraction of each variable, times the learning rate, taken off before the update.
        beta_1, beta_2, epsilon, amsgrad: as in `Adam`.
        clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency, loss_scale_factor,
            gradient_accumulation_steps, name: as in `Optimizer`.

    Example:
        >>> v = keras.Variable(10.0)
        >>> counter = AdamW(learning_rate=0.1, weight_decay=0.5).minimize(lambda: v ** 2 / 2.0, [v])
        >>> round(float(v), 4)
        9.4

    torch: `torch.optim.AdamW`, with `eps` as in `Adam`.
    """

    weight_decay = field(0.004, convert=_decay, after="learning_rate")
