"""Schedules that decay by a power, a polynomial, an inverse or a table.

May import core and the schedule base. Knows no optimizer.
"""

import bisect
import math

from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.optimizers.schedules.learning_rate_schedule import LearningRateSchedule, positive_steps


@published("schedule", "keras.optimizers.schedules")
class ExponentialDecay(LearningRateSchedule):
    """`initial_learning_rate * decay_rate ** (step / decay_steps)`.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: steps after which the rate has been multiplied by `decay_rate` once.
        decay_rate: the factor.
        staircase: whether whole periods only count.

    Example:
        >>> ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)(20)
        tensor(0.0250)
    """

    initial_learning_rate = field()
    decay_steps = field(convert=positive_steps("decay_steps"))
    decay_rate = field()
    staircase = field(False)
    name = field("ExponentialDecay")

    def value_at(self, step):
        periods = step / self.decay_steps
        return self.initial_learning_rate * self.decay_rate ** (math.floor(periods) if self.staircase else periods)


@published("schedule", "keras.optimizers.schedules")
class InverseTimeDecay(LearningRateSchedule):
    """`initial_learning_rate / (1 + decay_rate * step / decay_steps)`.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: length of a period.
        decay_rate: how fast it falls.
        staircase: whether whole periods only count.
    """

    initial_learning_rate = field()
    decay_steps = field(convert=positive_steps("decay_steps"))
    decay_rate = field()
    staircase = field(False)
    name = field("InverseTimeDecay")

    def value_at(self, step):
        periods = step / self.decay_steps
        return self.initial_learning_rate / (1 + self.decay_rate * (math.floor(periods) if self.staircase else periods))


@published("schedule", "keras.optimizers.schedules")
class PolynomialDecay(LearningRateSchedule):
    """From `initial_learning_rate` to `end_learning_rate` over `decay_steps`, as `(1 - step / decay_steps) ** power`.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: steps until the end; with `cycle`, the length of the first cycle.
        end_learning_rate: the rate from then on.
        power: 1.0 is a straight line.
        cycle: whether the decay starts again, each time over the next multiple of `decay_steps`, instead of staying.
    """

    initial_learning_rate = field()
    decay_steps = field(convert=positive_steps("decay_steps"))
    end_learning_rate = field(0.0001)
    power = field(1.0)
    cycle = field(False)
    name = field("PolynomialDecay")

    def value_at(self, step):
        length = self.decay_steps
        if self.cycle:
            length *= max(1, math.ceil(step / length))
        done = min(step, length) / length
        return (self.initial_learning_rate - self.end_learning_rate) * (1 - done) ** self.power + self.end_learning_rate


@published("schedule", "keras.optimizers.schedules")
class PiecewiseConstantDecay(LearningRateSchedule):
    """Constant rates between steps: `values[i]` up to and including step `boundaries[i]`.

    Args:
        boundaries: increasing steps.
        values: one rate more than there are boundaries.

    Example:
        >>> schedule = PiecewiseConstantDecay([100, 200], [0.1, 0.01, 0.001])
        >>> schedule(100), schedule(101)
        (tensor(0.1000), tensor(0.0100))
    """

    boundaries = field()
    values = field()
    name = field("PiecewiseConstant")

    def _take_fields(self, args, kwargs):
        rest = super()._take_fields(args, kwargs)
        if len(self.boundaries) != len(self.values) - 1:
            raise ValueError(
                f"PiecewiseConstantDecay needs one value more than boundaries; got boundaries={self.boundaries} and "
                f"values={self.values}."
            )
        return rest

    def value_at(self, step):
        return float(self.values[bisect.bisect_left(self.boundaries, step)])
