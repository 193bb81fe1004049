"""Attention and what it projects with."""

from compat.layer_cases.case import case, mask

_Q, _V, _K = (4, 5, 3), (4, 6, 3), (4, 6, 2)
_MASKS = (mask(5, 3, 0, 1, size=5), mask(6, 3, 0, 1, size=6))


def _without_projections(name):
    """Of a layer that is called on a list of tensors; features of query and key agree."""
    return [
        case(name, [_Q, _V]),
        case(name, [_Q, (4, 6, 7), _V]),
        case(name, [_Q, _V], use_scale=name == "Attention"),
        case(name, [_Q, _V], masks=_MASKS),
        case(name, [_Q, _V], masks=(None, _MASKS[1])),
        case(name, [_Q, _V], masks=(_MASKS[0],)),
        case(name, [_Q, _V], kwargs={"use_causal_mask": True}),
        case(name, [_Q, _V], kwargs={"use_causal_mask": True}, masks=_MASKS),
        case(name, [_Q, _V], kwargs={"return_attention_scores": True}, masks=_MASKS, shapes=None),
        case(name, [_Q, _V, _V], kwargs={"return_attention_scores": True, "use_causal_mask": True}, shapes=None),
        case(name, [_Q, _V], dropout=0.3),
        case(name, [_Q, _V], dropout=0.3, seed=3, training=True),
        case(name, [_Q, _V], dropout=0.3, seed=3, training=True, masks=_MASKS),
        case(name, [_Q, _V], dropout=0.3, training=True, repeatable=False),
        case(name, [(2, 3, 5, 4), (2, 3, 6, 4)]),
        *[
            case(name, [_Q, _V], dtype=dtype, masks=(None, mask(6, 3, 2, 1, size=6)), loose=2.0)
            for dtype in ("mixed_float16", "mixed_bfloat16", "float16")
        ],
    ]


def _grouped(*args, **options):
    return case("GroupQueryAttention", *args, head_dim=4, num_query_heads=4, num_key_value_heads=2, **options)


CASES = [
    case("EinsumDense", (4, 5, 3), equation="abc,cd->abd", output_shape=(None, 6), bias_axes="d"),
    case("EinsumDense", (4, 5, 3), equation="abc,cde->abde", output_shape=(None, 2, 6), bias_axes="de"),
    case("MultiHeadAttention", (4, 5, 3), (4, 6, 3), num_heads=2, key_dim=4),
    case("MultiHeadAttention", (4, 5, 3), (4, 5, 3), num_heads=2, key_dim=4, masks=(mask(5, 3, 0, 1, size=5),) * 2),
    *_without_projections("Attention"),
    case("Attention", [_Q, _V], score_mode="concat"),
    case("Attention", [_Q, _V, _V], score_mode="concat", use_scale=True, masks=_MASKS),
    *_without_projections("AdditiveAttention"),
    case("GroupQueryAttention", _Q, _V, head_dim=2, num_query_heads=2, num_key_value_heads=1),
    _grouped(_Q, _V),
    _grouped(_Q, _V, _K),
]
