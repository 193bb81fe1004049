"""Every published layer in `.keras` files: Keras's file is read here, ours there, and both hold the same.

Driven by compat/layer_cases/: a layer that is published later is swept without a line here.
"""

import pytest

from compat.file_cases import crossing
from compat.layer_models import Setting, chosen_cases, functional

TOLERANCES = {"float16": 1e-2, "bfloat16": 5e-2}


DRAWS_ALWAYS = {"RandomGrayscale"}  # outside of training too: a second call gives other images


# Keras gives its input as the first one's symbolic output, which makes a cycle of a graph, and calls the layers inside
# of the others by other names once it has read them.
NOT_AGAIN = {"Equalization", "RandAugment", "AugMix"}


def readable(case):
    """Whether Keras can read the case: it finds functions of a Lambda only by their registered names."""
    return case.layer not in NOT_AGAIN and (not isinstance(case.config, dict) or "function" not in case.config)


CASES = list(filter(readable, chosen_cases(2)))
FIRST = {case.layer: case for case in reversed(CASES)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_every_published_layer(case, tmp_path):
    """The plainest case of each layer goes to Keras and back; the files of the other are equal."""
    setting, config = Setting(case), case.config if isinstance(case.config, dict) else {}
    policy = config.get("dtype", "float32").removeprefix("mixed_")
    crossing(
        lambda k: functional(k, setting),
        tmp_path,
        setting.data if case.values and case.repeatable and case.layer not in DRAWS_ALWAYS else None,
        tolerance=TOLERANCES.get(policy, 2e-6) * case.loose,
        whole="lora_rank" not in config,  # files hold the sum
        stable=not any(setting.masked),  # Keras adds `training` to a call that is given a mask
        back=case is FIRST[case.layer],
    )
