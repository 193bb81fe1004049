"""An encoder that hands its state to a decoder: short words spelled backwards, with teacher forcing."""

import keras
import numpy as np

keras.utils.set_random_seed(73)
letters, length, latent = 8, 5, 16
rng = np.random.default_rng(73)
words = rng.integers(1, letters, size=(128, length))
encoder_data = np.eye(letters)[words]
decoder_target = np.eye(letters)[words[:, ::-1]]
decoder_data = np.concatenate([np.zeros((128, 1, letters)), decoder_target[:, :-1]], axis=1)

encoder_inputs = keras.Input(shape=(None, letters))
encoder = keras.layers.LSTM(latent, return_state=True)
encoder_outputs, state_h, state_c = encoder(encoder_inputs)
encoder_states = [state_h, state_c]

decoder_inputs = keras.Input(shape=(None, letters))
decoder_lstm = keras.layers.LSTM(latent, return_sequences=True, return_state=True)
decoder_outputs, _, _ = decoder_lstm(decoder_inputs, initial_state=encoder_states)
decoder_dense = keras.layers.Dense(letters, activation="softmax")
decoder_outputs = decoder_dense(decoder_outputs)
model = keras.Model([encoder_inputs, decoder_inputs], decoder_outputs)
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="categorical_crossentropy", metrics=["accuracy"])
history = model.fit(
    [encoder_data, decoder_data], decoder_target, batch_size=32, epochs=4, validation_split=0.2, verbose=0
)
for name, values in history.history.items():
    print(name, np.round(values, 5))

# Inference: two models around the trained layers.
encoder_model = keras.Model(encoder_inputs, encoder_states)
state_inputs = [keras.Input(shape=(latent,)), keras.Input(shape=(latent,))]
outputs, h, c = decoder_lstm(decoder_inputs, initial_state=state_inputs)
decoder_model = keras.Model([decoder_inputs] + state_inputs, [decoder_dense(outputs), h, c])

states = encoder_model.predict(encoder_data[:1], verbose=0)
token = np.zeros((1, 1, letters))
spelled = []
for _ in range(length):
    probabilities, h, c = decoder_model.predict([token] + states, verbose=0)
    best = int(np.argmax(probabilities[0, -1]))
    spelled.append(best)
    token = np.eye(letters)[[[best]]]
    states = [h, c]
print(words[0], spelled, probabilities[0, -1].round(4))
