"""Writes `old_layouts.npz`: weights as older layers had them, and what tf.keras 2.21 makes of them.

Run by hand with a Python that has tf_keras 2.21: `python compat/files/write_old_layouts.py`. Entries are
`NAME/in/0`…, the arrays in the order of an old file, and `NAME/out/0`…, those of the layer of today.
"""

import os

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="", TF_USE_LEGACY_KERAS="1")

import numpy as np
from tf_keras import layers
from tf_keras.src.saving.legacy.hdf5_format import preprocess_weights_for_loading

GATE = ((2, 3), (3, 3), (3,))
IMAGES = "channels_first"
CASES = {  # layer, shape of its input, version of the file, shapes of the arrays in it
    "lstm of gates": (layers.LSTM(3), (5, 2), "1", 4 * GATE),
    "gru of gates": (layers.GRU(3, reset_after=False), (5, 2), "1", 3 * GATE),
    "conv_lstm of gates": (layers.ConvLSTM2D(3, 2), (5, 6, 6, 2), "1", 4 * ((2, 2, 2, 3), (2, 2, 3, 3), (3,))),
    "cudnn lstm": (layers.LSTM(3), (5, 2), "2.2", ((2, 12), (3, 12), (24,))),
    "cudnn gru": (layers.GRU(3, reset_after=True), (5, 2), "2.2", ((2, 9), (3, 9), (18,))),
    "cudnn both ways": (layers.Bidirectional(layers.LSTM(3)), (5, 2), "2.2", 2 * ((2, 12), (3, 12), (24,))),
    "conv1d": (layers.Conv1D(4, 3), (9, 2), "1", ((3, 1, 2, 4), (4,))),
    "conv1d of keras 1.0": (layers.Conv1D(4, 3), (9, 2), "1", ((4, 2, 3, 1), (4,))),
    "conv2d th": (layers.Conv2D(4, (3, 2), data_format=IMAGES), (2, 9, 9), "1", ((4, 2, 3, 2), (4,))),
    "conv3d th": (layers.Conv3D(4, (3, 2, 1), data_format=IMAGES), (2, 9, 9, 9), "1", ((4, 2, 3, 2, 1), (4,))),
    "transposed tf": (layers.Conv2DTranspose(4, (3, 2)), (9, 9, 2), "1", ((3, 2, 2, 4), (4,))),
    "transposed th": (layers.Conv2DTranspose(4, (3, 2), data_format=IMAGES), (2, 9, 9), "1", ((4, 2, 3, 2), (4,))),
    "conv2d over time": (
        layers.TimeDistributed(layers.Conv2D(4, (3, 2), data_format=IMAGES)),
        (5, 2, 9, 9),
        "1",
        ((4, 2, 3, 2), (4,)),
    ),
}


def main():
    random, found = np.random.default_rng(0), {}
    for name, (layer, shape, version, shapes) in CASES.items():
        layer.build((None, *shape))
        arrays = [random.normal(size=each).astype("float16") for each in shapes]
        found |= {f"{name}/in/{place}": array for place, array in enumerate(arrays)}
        changed = preprocess_weights_for_loading(layer, list(arrays), version, None)
        found |= {f"{name}/out/{place}": np.asarray(array) for place, array in enumerate(changed)}
    np.savez_compressed(os.path.join(os.path.dirname(os.path.abspath(__file__)), "old_layouts.npz"), **found)


if __name__ == "__main__":
    main()
