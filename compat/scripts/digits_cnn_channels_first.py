"""Handwritten digits and a convolutional network, the channels in front."""

import keras
from keras import backend as K
from keras.layers import AveragePooling2D, BatchNormalization, Conv2D, Dense, Flatten, GlobalMaxPooling2D, Input
from keras.models import Model
from keras.optimizers import RMSprop
from sklearn.datasets import load_digits

keras.utils.set_random_seed(11)
K.set_image_data_format("channels_first")
data = load_digits()
images = data.images[:320, None].astype("float32") / 16.0
labels = keras.utils.to_categorical(data.target[:320])

if K.image_data_format() == "channels_first":
    shape, axis = (1, 8, 8), 1
else:
    shape, axis = (8, 8, 1), -1
inputs = Input(shape=shape)
x = Conv2D(6, (3, 3), padding="same", activation="relu")(inputs)
x = BatchNormalization(axis=axis)(x)
x = AveragePooling2D((2, 2))(x)
x = Conv2D(12, (3, 3), strides=(1, 1), activation="elu", groups=2)(x)
print(x.shape, Flatten()(x).shape)
x = GlobalMaxPooling2D()(x)
outputs = Dense(10, activation="softmax")(x)

model = Model(inputs, outputs)
model.compile(
    loss="categorical_crossentropy", optimizer=RMSprop(learning_rate=0.005, rho=0.9), metrics=["accuracy", "mse"]
)
for epoch in range(3):
    log = model.fit(images, labels, batch_size=40, initial_epoch=epoch, epochs=epoch + 1, verbose=0)
    print(epoch, {name: round(values[0], 5) for name, values in log.history.items()})
print([weight.shape for weight in model.get_weights()])
print(model.predict(images[:2], verbose=0).round(4))
