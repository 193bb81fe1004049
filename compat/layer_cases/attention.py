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


def _with_heads(make):
    """Of a layer with projections, called on query, value and perhaps key."""
    causal, scores = {"use_causal_mask": True}, {"return_attention_scores": True}
    return [
        make(_Q, _V, _K),
        make(_Q, _V, use_bias=False),
        make(_Q, _V, use_gate=True, bias_initializer="ones"),
        make(
            _Q, _V, kernel_regularizer="l2", bias_regularizer="l1", activity_regularizer="l2", bias_constraint="non_neg"
        ),
        make(_Q, _V, kernel_initializer="he_normal", kernel_constraint="max_norm", flash_attention=False),
        make(_Q, _Q, masks=(_MASKS[0],) * 2),
        make(_Q, _V, masks=(None, _MASKS[1])),
        make(_Q, _V, masks=(None, _MASKS[1]), kwargs=scores, shapes=None),
        make(_Q, _Q, kwargs=causal),
        make(_Q, _V, kwargs=causal, sliding_window=2),
        make(_Q, _V, sliding_window=3),
        make(_Q, _Q, kwargs={**causal, **scores}, shapes=None),
        make(_Q, _V, dropout=0.3, masks=_MASKS),
        make(_Q, _V, dropout=0.3, seed=3, training=True),
        make(_Q, _V, dropout=0.3, training=True, repeatable=False),
        *[
            make(_Q, _V, dtype=dtype, loose=2.0)
            for dtype in ("mixed_float16", "mixed_bfloat16", "bfloat16", "float16", "float64")
        ],
    ]


def _grouped(*args, **options):
    return case("GroupQueryAttention", *args, head_dim=4, num_query_heads=4, num_key_value_heads=2, **options)


def _multi_head(*args, **options):
    return case("MultiHeadAttention", *args, num_heads=2, key_dim=4, **options)


_LONG = (2, 3, 5, 4), (2, 3, 6, 4)

# Equation, shape of the inputs, output shape, axes of the bias.
_EQUATIONS = [
    ("abc,cd->abd", (4, 5, 3), (None, 6), "d"),
    ("abc,cde->abde", (4, 5, 3), (None, 2, 6), "de"),
    ("ab,bc->ac", (4, 3), 5, "c"),
    ("abc,cd->abd", (4, 5, 3), (None, 6), None),
    ("abc,cde->abde", (4, 5, 3), (None, 2, 6), "e"),
    ("abc,ced->abde", (4, 5, 3), (None, 2, 6), "d"),
    ("abcd,cde->abe", (4, 5, 3, 2), (None, 6), "e"),
    ("abc,dc->abd", (4, 5, 3), (None, 6), "d"),
    ("abc,cd->abd", (4, 5, 3), (5, 6), "bd"),
    ("abc,bcd->abd", (4, 5, 3), (5, 6), "d"),
    ("abc,bde->ade", (4, 5, 3), (2, 6), "e"),
    ("...x,xy->...y", (4, 3), 5, "y"),
    ("...x,xy->...y", (4, 5, 3), 6, "y"),
    ("ab...,bc->ac...", (4, 3, 5, 2), 6, "c"),
]


def _einsum(equation, inputs, output_shape, bias_axes, **options):
    return case("EinsumDense", inputs, equation=equation, output_shape=output_shape, bias_axes=bias_axes, **options)


CASES = [
    *[_einsum(*each) for each in _EQUATIONS],
    *[_einsum(*each, activation="relu", kernel_regularizer="l2") for each in _EQUATIONS[1:8:2]],
    *[_einsum(*each, dtype="mixed_float16", bias_initializer="ones") for each in _EQUATIONS[1:14:3]],
    _einsum(*_EQUATIONS[0], activity_regularizer="l2", kernel_constraint="non_neg", bias_regularizer="l1"),
    _einsum(*_EQUATIONS[0], activation="softmax", masks=(mask(5, 3, 0, 1, size=5),)),
    _einsum(*_EQUATIONS[9], dtype="bfloat16"),
    _einsum(*_EQUATIONS[1], lora_rank=2, lora_alpha=3),
    _multi_head(_Q, _V),
    *_with_heads(_multi_head),
    _multi_head(_Q, _V, value_dim=3, output_shape=7),
    _multi_head(_Q, _V, value_dim=5, output_shape=(3, 2), use_gate=True),
    _multi_head(*_LONG),
    _multi_head(*_LONG, attention_axes=2),
    _multi_head(*_LONG, attention_axes=(1, 2), kwargs={"return_attention_scores": True}, shapes=None),
    _multi_head(*_LONG, attention_axes=(-2,), dropout=0.2),
    case("GroupQueryAttention", _Q, _V, head_dim=2, num_query_heads=2, num_key_value_heads=1),
    _grouped(_Q, _V),
    *_with_heads(_grouped),
    *_without_projections("Attention"),
    case("Attention", [_Q, _V], score_mode="concat"),
    case("Attention", [_Q, _V, _V], score_mode="concat", use_scale=True, masks=_MASKS),
    *_without_projections("AdditiveAttention"),
]
