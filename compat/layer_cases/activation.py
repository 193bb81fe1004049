"""Activation layers."""

from compat.layer_cases.case import case, mask

CASES = [
    case("Activation", (4, 3), activation="relu"),
    case("Activation", (2, 5, 3), activation="softmax", masks=(mask(5, 2, size=5),)),
    case("Activation", (4, 3), activation=None),
    case("Activation", (4, 3), activation="tanh", dtype="float16"),
    case("ReLU", (4, 3)),
    case("ReLU", (4, 30), max_value=0.8, negative_slope=0.2, threshold=0.3),
    case("ReLU", (4, 30), max_value=1),
    case("LeakyReLU", (4, 3)),
    case("LeakyReLU", (4, 3), negative_slope=0.1, dtype="bfloat16"),
    case("LeakyReLU", (4, 3), alpha=0.2),
    case("ELU", (4, 3)),
    case("ELU", (4, 3), alpha=0.5),
    case("PReLU", (4, 3)),
    case("PReLU", (2, 5, 6, 3), shared_axes=[1, 2], alpha_regularizer="l1"),
    case("PReLU", (2, 5, 3), shared_axes=1, alpha_initializer="ones"),
    case("Softmax", (4, 3)),
    case("Softmax", (2, 4, 3), axis=1),
    case("Softmax", (2, 4, 3), axis=[1, 2]),
    case("Softmax", (2, 4, 3), axis=[-1]),
    case("Softmax", (3, 4), masks=(mask(4, 2, 0, size=4),)),
    case("Softmax", (3, 4), masks=(mask(4, 2, 0, size=4),), dtype="float16"),
]
