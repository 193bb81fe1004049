"""Texts as numbers of words, word vectors that are given, and an LSTM that sorts the texts."""

import numpy as np
from keras.layers import LSTM, Dense, Embedding
from keras.models import Sequential
from keras.optimizers import Adam
from keras.preprocessing.sequence import pad_sequences
from keras.preprocessing.text import Tokenizer, text_to_word_sequence
from keras.utils import set_random_seed, to_categorical

set_random_seed(11)
rng = np.random.default_rng(11)

GOOD, BAD = "great lovely funny bright warm".split(), "dull slow sad cold broken".split()
PLAIN = "the a film story was and with its people it's of plot".split()
texts, labels = [], []
for number in range(96):
    words = [PLAIN[index] for index in rng.integers(0, len(PLAIN), size=rng.integers(4, 12))]
    for place in rng.integers(0, len(words), size=3):
        words[place] = (GOOD if number % 2 else BAD)[rng.integers(0, 5)]
    texts.append(" ".join(words).capitalize() + "!")
    labels.append(number % 2)

MAX_WORDS, MAX_LENGTH, DIMENSION = 18, 10, 6
tokenizer = Tokenizer(nb_words=MAX_WORDS, oov_token="<unk>")
tokenizer.fit_on_texts(texts)
sequences = tokenizer.texts_to_sequences(texts)
print(f"Found {len(tokenizer.word_index)} unique tokens.", text_to_word_sequence(texts[0]), sequences[0])
print(tokenizer.sequences_to_texts(sequences[:2]), tokenizer.texts_to_matrix(texts, mode="tfidf").sum().round(4))

data = pad_sequences(sequences, maxlen=MAX_LENGTH)
labels = to_categorical(np.asarray(labels))
order = rng.permutation(len(data))
data, labels = data[order], labels[order]
x_train, y_train, x_val, y_val = data[:72], labels[:72], data[72:], labels[72:]
print(data.shape, labels.shape, data.max())

embedding_matrix = np.zeros((MAX_WORDS, DIMENSION), dtype="float32")
for word, i in tokenizer.word_index.items():
    if i < MAX_WORDS:
        embedding_matrix[i] = rng.normal(size=DIMENSION) + (word in GOOD) - (word in BAD)

model = Sequential()
model.add(
    Embedding(
        MAX_WORDS, DIMENSION, weights=[embedding_matrix], input_length=MAX_LENGTH, mask_zero=True, trainable=False
    )
)
model.add(LSTM(8))
model.add(Dense(2, activation="softmax"))
model.compile(loss="categorical_crossentropy", optimizer=Adam(lr=1e-2), metrics=["acc"])
history = model.fit(x_train, y_train, validation_data=(x_val, y_val), epochs=4, batch_size=24, verbose=0)
for key in ("loss", "acc", "val_loss", "val_acc"):
    print(key, [round(float(value), 4) for value in history.history[key]])

new = pad_sequences(tokenizer.texts_to_sequences(["A warm, funny film", "Its plot was slow & sad"]), MAX_LENGTH)
print(np.round(model.predict(new, verbose=0), 4))
