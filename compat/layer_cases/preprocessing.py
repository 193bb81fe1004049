"""Preprocessing of numbers and categories, as far as Keras has it on torch."""

from compat.layer_cases.case import case, ints

CASES = [
    case("Normalization", (4, 3)),
    case("Normalization", (4, 3), mean=2.0, variance=4.0),
    case("Normalization", (4, 5, 3), mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 0.25], shapes=((None, 7, 3),)),
    case("Normalization", (4, 2, 3), axis=1, mean=[1.0, 2.0], variance=[1.0, 4.0], invert=True),
    case("Normalization", (4, 2, 3), axis=[1, -1]),
    case("Normalization", (1, 3), axis=None, mean=1, variance=2, dtype="float64"),
    case("Normalization", ints(9, 4, 3), mean=2.0, variance=0.0),
    case("Normalization", (4, 3), mean=2.0, variance=4.0, dtype="mixed_float16"),
    case("Normalization", (4, 3), mean=2.0, variance=4.0, invert=True, dtype="bfloat16", name="norm"),
]
