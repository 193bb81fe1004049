"""Schedules along a cosine. Source of the formulas: Loshchilov and Hutter 2016, "SGDR", https://arxiv.org/abs/1608.03983.

May import core and the schedule base. Knows no optimizer.
"""

import math

from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.optimizers.schedules.learning_rate_schedule import LearningRateSchedule, positive_steps


def _half_cosine(done):
    return 0.5 * (1.0 + math.cos(math.pi * done))


@published("schedule", "keras.optimizers.schedules")
class CosineDecay(LearningRateSchedule):
    """Half a cosine wave down to `alpha` times the top, after an optional straight rise.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: steps of the way down.
        alpha: the final rate as a fraction of the top.
        warmup_target: the top, reached after `warmup_steps`; without it the way down starts at once.
        warmup_steps: steps of the way up.

    Unlike Keras, whole numbers mean the same as floats: `CosineDecay(0, 1000, warmup_target=0.1, warmup_steps=100)`
    rises to 0.1 (Keras rounds everything to integers there).
    """

    initial_learning_rate = field()
    decay_steps = field(convert=positive_steps("decay_steps"))
    alpha = field(0.0)
    name = field("CosineDecay")
    warmup_target = field(None)
    warmup_steps = field(0)

    def value_at(self, step):
        top = self.initial_learning_rate
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                return top + (self.warmup_target - top) * step / self.warmup_steps
            step, top = step - self.warmup_steps, self.warmup_target
        done = min(step, self.decay_steps) / self.decay_steps
        return top * ((1 - self.alpha) * _half_cosine(done) + self.alpha)


@published("schedule", "keras.optimizers.schedules")
class CosineDecayRestarts(LearningRateSchedule):
    """Half cosine waves one after the other, each `t_mul` times as long and `m_mul` times as high as the one before.

    Args:
        initial_learning_rate: the height of the first wave.
        first_decay_steps: its length.
        t_mul: growth of the length.
        m_mul: growth of the height.
        alpha: the lowest rate as a fraction of `initial_learning_rate`.
    """

    initial_learning_rate = field()
    first_decay_steps = field(convert=positive_steps("first_decay_steps"))
    t_mul = field(2.0)
    m_mul = field(1.0)
    alpha = field(0.0)
    name = field("SGDRDecay")

    def value_at(self, step):
        restarts, done = self._wave(step / self.first_decay_steps)
        height = self.m_mul**restarts * _half_cosine(done)
        return self.initial_learning_rate * ((1 - self.alpha) * height + self.alpha)

    def _wave(self, done):
        """Number of restarts and the part of the running wave, from steps counted in first waves."""
        if self.t_mul == 1.0:
            return math.floor(done), done % 1.0
        # The end of a wave must not be missed by the last bit of a logarithm.
        restarts = math.floor(math.log(1.0 - done * (1.0 - self.t_mul)) / math.log(self.t_mul) + 1e-9)
        before = (1.0 - self.t_mul**restarts) / (1.0 - self.t_mul)
        return restarts, max(0.0, done - before) / self.t_mul**restarts
