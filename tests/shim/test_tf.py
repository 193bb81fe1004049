"""The TensorFlow names that Keras scripts use, on torch tensors."""

import numpy as np
import pytest
import torch

from torchkeras.shim import tf


def test_version_takes_the_keras_3_branch():
    major, minor = (int(part) for part in tf.__version__.split(".")[:2])
    assert (major, minor) >= (2, 16)


@pytest.mark.parametrize(
    "value, dtype",
    [
        (1.5, torch.float32),
        (3, torch.int32),
        ([1, 2], torch.int32),
        ([[1.0, 2.0]], torch.float32),
        (True, torch.bool),
        (np.ones(2), torch.float64),
        (np.arange(2), torch.int64),
        (np.float16(1), torch.float16),
        (torch.ones(2, dtype=torch.float64), torch.float64),
        ([torch.ones(2), torch.zeros(2)], torch.float32),
    ],
)
def test_default_dtypes(value, dtype):
    tensor = tf.convert_to_tensor(value)
    assert type(tensor) is torch.Tensor and tensor.dtype == dtype
    np.testing.assert_array_equal(tensor.cpu().numpy(), np.asarray(value))


def test_dtype_may_be_a_name_a_torch_or_a_numpy_type():
    for dtype in ("float64", tf.float64, np.float64, np.dtype("float64")):
        assert tf.constant([1, 2], dtype=dtype).dtype == torch.float64
    with pytest.raises(ValueError, match="float33"):
        tf.cast([1.0], "float33")


def test_constant_does_not_share_the_array():
    array = np.zeros(2)
    tensor = tf.constant(array)
    array[:] = 1
    assert tensor.tolist() == [0, 0]


def test_constant_with_shape():
    assert tf.constant(7, shape=(2, 3)).tolist() == [[7, 7, 7], [7, 7, 7]]
    assert tf.constant([1, 2, 3, 4], shape=[2, 2]).tolist() == [[1, 2], [3, 4]]


def test_cast_truncates_and_text_is_refused():
    assert tf.cast([1.7, -1.7], "int32").tolist() == [1, -1]
    with pytest.raises(TypeError, match="expected numbers"):
        tf.constant(["a", "b"])


def test_random_is_repeatable():
    tf.random.set_seed(3)
    first = tf.random.normal((4,))
    tf.random.set_seed(3)
    assert torch.equal(tf.random.normal([4]), first)
    assert torch.equal(tf.random.uniform((5,), seed=1), tf.random.uniform((5,), seed=1))


def test_random_ranges():
    numbers = tf.random.uniform((1000,), 2, 4, seed=0)
    assert 2 <= numbers.min() < 2.1 and 3.9 < numbers.max() < 4
    whole = tf.random.uniform((1000,), 2, 4, dtype=tf.int32, seed=0)
    assert whole.dtype == torch.int32 and sorted(set(whole.tolist())) == [2, 3]
    with pytest.raises(ValueError, match="maxval"):
        tf.random.uniform((2,), dtype="int32")
    normal = tf.random.normal((10000,), mean=5.0, stddev=2.0, seed=0)
    assert abs(normal.mean() - 5) < 0.1 and abs(normal.std() - 2) < 0.1


def test_devices():
    assert [device.name for device in tf.config.list_physical_devices("CPU")] == ["/physical_device:CPU:0"]
    gpus = tf.config.list_physical_devices("GPU")
    assert len(gpus) == torch.cuda.device_count() and gpus == tf.config.experimental.list_physical_devices("GPU")
    assert tf.config.list_physical_devices()[1:] == gpus
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    with pytest.raises(AttributeError, match=r"tensorflow\.config\.experimental\.no_such_name"):
        _ = tf.config.experimental.no_such_name
