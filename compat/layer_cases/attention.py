"""Attention and what it projects with."""

from compat.layer_cases.case import case, mask

CASES = [
    case("EinsumDense", (4, 5, 3), equation="abc,cd->abd", output_shape=(None, 6), bias_axes="d"),
    case("EinsumDense", (4, 5, 3), equation="abc,cde->abde", output_shape=(None, 2, 6), bias_axes="de"),
    case("MultiHeadAttention", (4, 5, 3), (4, 6, 3), num_heads=2, key_dim=4),
    case("MultiHeadAttention", (4, 5, 3), (4, 5, 3), num_heads=2, key_dim=4, masks=(mask(5, 3, 0, 1, size=5),) * 2),
]
