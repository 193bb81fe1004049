"""`keras.layers`: all layers, their function forms, and reading and writing their configs.

Names only. Several names for one class are Keras's own.
"""

from torchkeras.core.input_spec import InputSpec
from torchkeras.core.layer import Layer
from torchkeras.core.serialization import deserialize_keras_object, serialize_keras_object
from torchkeras.layers.activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from torchkeras.layers.adaptive_pooling import (
    AdaptiveAveragePooling1D,
    AdaptiveAveragePooling2D,
    AdaptiveAveragePooling3D,
    AdaptiveMaxPooling1D,
    AdaptiveMaxPooling2D,
    AdaptiveMaxPooling3D,
)
from torchkeras.layers.attention import AdditiveAttention, Attention
from torchkeras.layers.attention_grouped import GroupedQueryAttention
from torchkeras.layers.attention_multi_head import MultiHeadAttention
from torchkeras.layers.conv import Conv1D, Conv2D, Conv3D
from torchkeras.layers.conv_transpose import Conv1DTranspose, Conv2DTranspose, Conv3DTranspose
from torchkeras.layers.cropping import Cropping1D, Cropping2D, Cropping3D
from torchkeras.layers.dense import Dense
from torchkeras.layers.depthwise_conv import DepthwiseConv1D, DepthwiseConv2D
from torchkeras.layers.einsum_dense import EinsumDense
from torchkeras.layers.embedding import Embedding
from torchkeras.layers.foreign import FlaxLayer, JaxLayer, TFSMLayer
from torchkeras.layers.identity import Identity
from torchkeras.layers.input import Input, InputLayer
from torchkeras.layers.lambda_layer import Lambda
from torchkeras.layers.masking import Masking
from torchkeras.layers.mel_spectrogram import MelSpectrogram
from torchkeras.layers.merging import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
from torchkeras.layers.normalization import BatchNormalization
from torchkeras.layers.normalization_of_samples import (
    GroupNormalization,
    LayerNormalization,
    RMSNormalization,
    UnitNormalization,
)
from torchkeras.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)
from torchkeras.layers.preprocessing.category_encoding import CategoryEncoding
from torchkeras.layers.preprocessing.discretization import Discretization
from torchkeras.layers.preprocessing.hashed_crossing import HashedCrossing
from torchkeras.layers.preprocessing.hashing import Hashing
from torchkeras.layers.preprocessing.image.affine_layers import (
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)
from torchkeras.layers.preprocessing.image.blurring import RandomGaussianBlur, RandomSharpness
from torchkeras.layers.preprocessing.image.center_crop import CenterCrop
from torchkeras.layers.preprocessing.image.color import (
    RandomColorDegeneration,
    RandomColorJitter,
    RandomGrayscale,
    RandomHue,
    RandomSaturation,
)
from torchkeras.layers.preprocessing.image.equalization import (
    ContrastLimitedAdaptiveHistogramEqualization,
    Equalization,
)
from torchkeras.layers.preprocessing.image.max_num_bounding_boxes import MaxNumBoundingBoxes
from torchkeras.layers.preprocessing.image.mixing import CutMix, MixUp, RandomErasing
from torchkeras.layers.preprocessing.image.rand_augment import AugMix, RandAugment
from torchkeras.layers.preprocessing.image.random_contrast import RandomContrast
from torchkeras.layers.preprocessing.image.random_crop import RandomCrop
from torchkeras.layers.preprocessing.image.random_elastic_transform import RandomElasticTransform
from torchkeras.layers.preprocessing.image.random_flip import RandomFlip
from torchkeras.layers.preprocessing.image.random_perspective import RandomPerspective
from torchkeras.layers.preprocessing.image.resizing import Resizing
from torchkeras.layers.preprocessing.image.tone import (
    AutoContrast,
    RandomBrightness,
    RandomInvert,
    RandomPosterization,
    Solarization,
)
from torchkeras.layers.preprocessing.integer_lookup import IntegerLookup
from torchkeras.layers.preprocessing.normalization import Normalization
from torchkeras.layers.preprocessing.pipeline import Pipeline
from torchkeras.layers.preprocessing.rescaling import Rescaling
from torchkeras.layers.preprocessing.string_lookup import StringLookup
from torchkeras.layers.preprocessing.text_vectorization import TextVectorization
from torchkeras.layers.regularization import (
    ActivityRegularization,
    AlphaDropout,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from torchkeras.layers.reshaping import Flatten, Permute, RepeatVector, Reshape
from torchkeras.layers.reversible_embedding import ReversibleEmbedding
from torchkeras.layers.rnn import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    ConvLSTM1D,
    ConvLSTM2D,
    ConvLSTM3D,
    GRUCell,
    LSTMCell,
    SimpleRNN,
    SimpleRNNCell,
    StackedRNNCells,
)
from torchkeras.layers.separable_conv import SeparableConv1D, SeparableConv2D
from torchkeras.layers.spectral_normalization import SpectralNormalization
from torchkeras.layers.stft_spectrogram import STFTSpectrogram
from torchkeras.layers.time_distributed import TimeDistributed
from torchkeras.layers.torch_module import TorchModuleWrapper
from torchkeras.layers.up_sampling import UpSampling1D, UpSampling2D, UpSampling3D
from torchkeras.layers.wrapper import Wrapper
from torchkeras.layers.zero_padding import ZeroPadding1D, ZeroPadding2D, ZeroPadding3D

AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
GlobalAvgPool1D, GlobalAvgPool2D = GlobalAveragePooling1D, GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
GlobalMaxPool1D, GlobalMaxPool2D, GlobalMaxPool3D = GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D
GroupQueryAttention = GroupedQueryAttention
Convolution1D, Convolution2D, Convolution3D = Conv1D, Conv2D, Conv3D
Convolution1DTranspose, Convolution2DTranspose = Conv1DTranspose, Conv2DTranspose
Convolution3DTranspose = Conv3DTranspose
SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D

_KINDS = ("layer", "model")


def serialize(layer):
    """The description of a layer that `deserialize` reads, as Keras writes it."""
    return serialize_keras_object(layer)


def deserialize(config, custom_objects=None):
    """A layer from what `serialize` gave; `custom_objects` maps names to classes of yours.

    Raises `ValueError` where the config describes something else than a layer.
    """
    layer = deserialize_keras_object(config, custom_objects=custom_objects, kinds=_KINDS, printable_name="layer")
    if not isinstance(layer, Layer):
        raise ValueError(f"The config describes no layer but {layer!r}: pass what keras.layers.serialize(layer) gave.")
    return layer
