"""Graphs that either library can build: `GRAPHS[name](k)` gives a model made with the module `k`.

May import nothing of either library. Each graph is the smallest that has its property.
"""

GRAPHS = {}


def graph(function):
    """Lists a graph under its function's name."""
    GRAPHS[function.__name__] = function
    return function


@graph
def chain(k):
    x = k.Input((4,), name="x")
    y = k.layers.Dense(3, activation="relu")(x)
    return k.Model(x, k.layers.Dense(2)(y))


@graph
def two_in_two_out(k):
    a, b = k.Input((4,), name="a"), k.Input((3,), name="b")
    h = k.layers.Concatenate()([k.layers.Dense(5)(a), k.layers.Dense(2)(b)])
    return k.Model([a, b], [k.layers.Dense(1, name="p")(h), k.layers.Dense(2, name="q")(h)])


@graph
def dict_in_dict_out(k):
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    return k.Model({"b": b, "a": a}, {"s": k.layers.Add()([a, b]), "d": k.layers.Dense(2)(a)})


@graph
def tuple_in(k):
    a, b = k.Input((4,)), k.Input((4,))
    return k.Model((a, b), (k.layers.Dense(2)(a), k.layers.Multiply()([a, b])))


@graph
def nested_in(k):
    a, b, c = k.Input((4,), name="a"), k.Input((4,), name="b"), k.Input((4,), name="c")
    return k.Model({"x": [a, b], "y": c}, [k.layers.Add()([a, b, c]), {"z": k.layers.Dense(2)(c)}])


@graph
def shared(k):
    a, b = k.Input((4,)), k.Input((4,))
    d = k.layers.Dense(3)
    return k.Model([a, b], k.layers.Subtract()([d(a), d(b)]))


@graph
def shared_thrice(k):
    x = k.Input((4,))
    d = k.layers.Dense(4)
    return k.Model(x, d(d(d(x))))


@graph
def skip(k):
    x = k.Input((4,))
    h = k.layers.Dense(4, activation="tanh")(x)
    h2 = k.layers.Dense(4)(h)
    return k.Model(x, k.layers.Dense(1)(k.layers.Add()([x, h, h2])))


@graph
def nested_functional(k):
    i = k.Input((4,))
    inner = k.Model(i, k.layers.Dense(3)(k.layers.Dense(5)(i)), name="inner")
    x = k.Input((4,))
    z = k.Input((4,))
    return k.Model([x, z], k.layers.Concatenate()([inner(x), inner(z)]))


@graph
def nested_sequential(k):
    s = k.Sequential([k.layers.Dense(3), k.layers.BatchNormalization()], name="seq")
    x = k.Input((4,))
    return k.Model(x, k.layers.Dense(2)(s(x)))


@graph
def nested_multi(k):
    i, j = k.Input((4,)), k.Input((4,))
    inner = k.Model([i, j], [k.layers.Dense(3)(i), k.layers.Add()([i, j])], name="two")
    x, y = k.Input((4,)), k.Input((4,))
    p, q = inner([x, y])
    return k.Model([x, y], k.layers.Concatenate()([p, q]))


@graph
def more_inputs(k):
    a, b = k.Input((4,), name="a"), k.Input((2,), name="b")
    return k.Model([a, b], k.layers.Dense(2)(a))


@graph
def output_is_input(k):
    a = k.Input((4,), name="a")
    return k.Model(a, [a, k.layers.Dense(2)(a)])


@graph
def same_output_twice(k):
    a = k.Input((4,), name="a")
    d = k.layers.Dense(2)(a)
    return k.Model(a, [d, d])


@graph
def ops_graph(k):
    x = k.Input((4,))
    h = k.ops.relu(k.layers.Dense(4)(x))
    h = h + 1.0
    h = k.ops.concatenate([h, x * 2], axis=-1)
    return k.Model(x, k.ops.mean(h, axis=-1, keepdims=True))


@graph
def op_slices(k):
    x = k.Input((5, 4))
    a = x[:, 0]
    b = x[..., 1:3]
    return k.Model(x, [k.layers.Dense(2)(a), k.layers.Flatten()(b)])


@graph
def op_operators(k):
    x = k.Input((4,))
    y = k.Input((4,))
    z = (x - y) / (k.ops.abs(y) + 1.0) ** 2 - 3 * x
    z = -z
    return k.Model([x, y], [z, k.ops.matmul(k.ops.expand_dims(x, 1), k.ops.expand_dims(y, 2)), 1.0 - x])


@graph
def op_softmax(k):
    x = k.Input((4,))
    return k.Model(x, k.ops.softmax(k.ops.reshape(x, (-1, 2, 2)), axis=1))


@graph
def deep_branch(k):
    x = k.Input((4,))
    a = k.layers.Dense(3, name="a1")(x)
    a = k.layers.Dense(3, name="a2")(a)
    a = k.layers.Dense(3, name="a3")(a)
    b = k.layers.Dense(3, name="b1")(x)
    c = k.layers.Add(name="c")([b, a])
    d = k.layers.Dense(2, name="d")(b)
    return k.Model(x, [d, c])


@graph
def lstm_graph(k):
    x = k.Input((5, 4))
    h = k.layers.LSTM(3, return_sequences=True)(x)
    h, hs, cs = k.layers.LSTM(3, return_state=True)(h)
    return k.Model(x, [h, k.layers.Dense(2)(hs), cs])


@graph
def seq2seq(k):
    e, d = k.Input((5, 4)), k.Input((6, 4))
    _, hs, cs = k.layers.LSTM(3, return_state=True)(e)
    out = k.layers.LSTM(3, return_sequences=True)(d, initial_state=[hs, cs])
    return k.Model([e, d], k.layers.Dense(2)(out))


@graph
def attention(k):
    q, v = k.Input((5, 8)), k.Input((6, 8))
    o, s = k.layers.MultiHeadAttention(2, 4)(q, v, return_attention_scores=True)
    return k.Model([q, v], [k.layers.LayerNormalization()(o), s])


@graph
def conv(k):
    x = k.Input((12, 12, 3))
    h = k.layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    h = k.layers.BatchNormalization()(h)
    h = k.layers.MaxPooling2D()(h)
    return k.Model(x, k.layers.Dense(2, activation="softmax")(k.layers.GlobalAveragePooling2D()(h)))


@graph
def embed_mask(k):
    x = k.Input((6,), dtype="int32")
    h = k.layers.Embedding(10, 4, mask_zero=True)(x)
    return k.Model(x, k.layers.Dense(1)(k.layers.LSTM(3)(h)))


@graph
def unknown_sizes(k):
    x = k.Input((None, None, 3))
    return k.Model(x, k.layers.GlobalAveragePooling2D()(k.layers.Conv2D(4, 3)(x)))


@graph
def training_flag(k):
    x = k.Input((4,))
    h = k.layers.Dropout(0.5)(x, training=False)
    return k.Model(x, k.layers.BatchNormalization()(h, training=False))


@graph
def sequential(k):
    return k.Sequential([k.Input((4,)), k.layers.Dense(3, activation="relu"), k.layers.Dropout(0.2), k.layers.Dense(2)])


@graph
def sequential_nested(k):
    return k.Sequential(
        [k.Input((4,)), k.Sequential([k.layers.Dense(3), k.layers.Dense(3)], name="in"), k.layers.Dense(2)], name="out"
    )


@graph
def sequential_in_sequential_built(k):
    inner = k.Sequential([k.Input((4,)), k.layers.Dense(3)])
    return k.Sequential([inner, k.layers.Dense(2)])


@graph
def double_nest(k):
    i = k.Input((4,))
    m1 = k.Model(i, k.layers.Dense(4)(i), name="m1")
    j = k.Input((4,))
    m2 = k.Model(j, m1(m1(j)), name="m2")
    x = k.Input((4,))
    return k.Model(x, k.layers.Dense(1)(m2(x)), name="m3")


@graph
def int_input_cast(k):
    x = k.Input((4,), dtype="int32")
    return k.Model(x, k.layers.Dense(2)(k.ops.cast(x, "float32")))


@graph
def where_graph(k):
    x = k.Input((4,))
    return k.Model(x, k.ops.where(x > 0, x, k.ops.zeros_like(x)))


@graph
def stack_split(k):
    x = k.Input((4,))
    a, b = k.ops.split(x, 2, axis=1)
    return k.Model(x, k.ops.stack([a, b], axis=1))


@graph
def fixed_batch(k):
    x = k.Input((4,), batch_size=2)
    return k.Model(x, k.layers.Dense(2)(x))


@graph
def keyword_call(k):
    q, v = k.Input((5, 8)), k.Input((6, 8))
    return k.Model([q, v], k.layers.MultiHeadAttention(2, 4)(query=q, value=v))


@graph
def regularized(k):
    x = k.Input((4,))
    h = k.layers.Dense(
        3,
        kernel_regularizer="l2",
        activity_regularizer=k.regularizers.L2(0.1),
        kernel_initializer=k.initializers.HeNormal(seed=3),
    )(x)
    return k.Model(x, k.layers.Dense(2, kernel_constraint="max_norm", trainable=False)(h), name="reg", trainable=True)
