"""Dense, embeddings and kin."""

from compat.layer_cases.case import case, ints

CASES = [
    case("Dense", (4, 3), units=5),
    case("Dense", (2, 6, 3), units=4, activation="relu", use_bias=False, kernel_regularizer="l2"),
    case("Dense", (4, 3), units=5, activation="softmax", dtype="mixed_float16"),
    case("Dense", (4, 3), units=5, dtype="mixed_bfloat16"),
    case("Dense", (4, 3), units=5, dtype="float16"),
    case("Dense", (4, 3), units=5, dtype="float64"),
    case(
        "Dense", (4, 3), units=5, activity_regularizer="l1", bias_constraint="non_neg", kernel_initializer="he_normal"
    ),
    case("Embedding", ints(10, 4, 3), input_dim=10, output_dim=5),
    case("Embedding", ints(10, 4, 3), input_dim=10, output_dim=5, mask_zero=True, embeddings_regularizer="l2"),
    case("Embedding", ints(10, 4), input_dim=10, output_dim=5, dtype="mixed_float16"),
]
