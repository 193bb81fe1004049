"""A Keras model, Keras metrics, and a training loop as PyTorch users write it."""

import keras
import numpy as np
import torch
from keras import layers

keras.utils.set_random_seed(67)
x = np.random.normal(size=(160, 8, 3)).astype("float32")
y = (x[:, :, 0].sum(axis=1) > 0).astype("int64") + (x[:, :, 1].sum(axis=1) > 1)

model = keras.Sequential(
    [
        keras.Input((8, 3)),
        layers.Conv1D(8, 3, activation="relu", padding="causal"),
        layers.MaxPooling1D(2),
        layers.Conv1D(8, 3, dilation_rate=2, padding="same"),
        layers.BatchNormalization(),
        layers.PReLU(shared_axes=[1]),
        layers.GlobalAveragePooling1D(),
        layers.Dense(3),
    ]
)
dataset = torch.utils.data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
loader = torch.utils.data.DataLoader(dataset, batch_size=32, shuffle=False)

optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=1e-3)
criterion = torch.nn.CrossEntropyLoss()
metric = keras.metrics.SparseCategoricalAccuracy()
for epoch in range(3):
    total = 0.0
    for inputs, targets in loader:
        logits = model(inputs, training=True)
        loss = criterion(logits, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
        metric.update_state(targets, logits)
    print(f"epoch {epoch}: loss {total / len(loader):.5f}, accuracy {float(metric.result()):.5f}")
    metric.reset_state()

# With an optimizer and a loss of Keras.
keras_optimizer = keras.optimizers.Adam(learning_rate=1e-3)
loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
for inputs, targets in loader:
    loss = loss_fn(targets, model(inputs, training=True))
    model.zero_grad()
    loss.backward()
    trainable_weights = list(model.trainable_weights)
    gradients = [v.value.grad for v in trainable_weights]
    with torch.no_grad():
        keras_optimizer.apply(gradients, trainable_weights)
print(loss.item(), int(keras_optimizer.iterations))


class Net(torch.nn.Module):
    """Keras layers as parts of a module."""

    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(6, activation="tanh")
        self.hidden.build((None, 4))
        self.out = torch.nn.Linear(6, 1)
        torch.nn.init.constant_(self.out.weight, 0.1)
        torch.nn.init.zeros_(self.out.bias)

    def forward(self, tensor):
        return self.out(self.hidden(tensor))


net = Net()
data = torch.linspace(-1, 1, 20).reshape(5, 4)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(5):
    optimizer.zero_grad()
    loss = net(data).square().mean() + (net(data).mean() - 1).abs()
    loss.backward()
    optimizer.step()
print(f"{loss.item():.5f}", len(list(net.parameters())))
