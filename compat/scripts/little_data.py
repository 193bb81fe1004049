"""Few images in folders, changed at random, and a small convolutional network that tells two classes apart."""

import os

import numpy as np
import keras
from keras import layers
from keras._tf_keras.keras.preprocessing.image import ImageDataGenerator

keras.utils.set_random_seed(7)
rng = np.random.default_rng(7)

img_width, img_height, batch_size = 24, 20, 8
for folder, count in (("data/train", 16), ("data/validation", 6)):
    for name, axis in (("cats", 0), ("dogs", 1)):
        os.makedirs(f"{folder}/{name}")
        for number in range(count):
            stripes = 120 + 100 * np.sin(np.indices((30, 33))[axis] * rng.uniform(0.6, 0.9))
            image = stripes[..., None] + rng.uniform(-30, 30, size=(30, 33, 3))
            keras.utils.save_img(f"{folder}/{name}/{number}.png", np.clip(image, 0, 255), scale=False)

# What the changes look like.
datagen = ImageDataGenerator(rotation_range=40, width_shift_range=0.2, height_shift_range=0.2, fill_mode="nearest")
x = keras.utils.img_to_array(keras.utils.load_img("data/train/cats/0.png"))
x = x.reshape((1,) + x.shape)
os.makedirs("preview")
for i, batch in enumerate(datagen.flow(x, batch_size=1, save_to_dir="preview", save_prefix="cat", save_format="jpeg"), 1):
    if i >= 5:
        break
print(len(os.listdir("preview")), batch.shape, round(float(batch.mean()), 3))

train_datagen = ImageDataGenerator(rescale=1.0 / 255, shear_range=0.2, zoom_range=0.2, horizontal_flip=True)
test_datagen = ImageDataGenerator(rescale=1.0 / 255)
train_generator = train_datagen.flow_from_directory(
    "data/train", target_size=(img_height, img_width), batch_size=batch_size, class_mode="binary", shuffle=False, seed=3
)
validation_generator = test_datagen.flow_from_directory(
    "data/validation", target_size=(img_height, img_width), batch_size=batch_size, class_mode="binary", shuffle=False
)
print(train_generator.class_indices, train_generator.samples, len(train_generator), train_generator.image_shape)

model = keras.Sequential()
model.add(keras.Input(shape=(img_height, img_width, 3)))
for filters in (8, 8):
    model.add(layers.Conv2D(filters, (3, 3)))
    model.add(layers.Activation("relu"))
    model.add(layers.MaxPooling2D(pool_size=(2, 2)))
model.add(layers.Flatten())
model.add(layers.Dense(16, activation="relu"))
model.add(layers.Dropout(0.5))
model.add(layers.Dense(1, activation="sigmoid"))
model.compile(loss="binary_crossentropy", optimizer=keras.optimizers.RMSprop(learning_rate=1e-3), metrics=["accuracy"])

history = model.fit(
    train_generator, steps_per_epoch=4, epochs=4, validation_data=validation_generator, verbose=0
)
for key in ("loss", "accuracy", "val_loss", "val_accuracy"):
    print(key, [round(float(value), 4) for value in history.history[key]])

predictions = model.predict(validation_generator, verbose=0)
print(predictions.shape, np.round(predictions[:, 0], 4))
print([name.replace(os.sep, "/") for name in validation_generator.filenames[:3]], validation_generator.classes)
print([round(float(value), 4) for value in model.evaluate(validation_generator, verbose=0)])
