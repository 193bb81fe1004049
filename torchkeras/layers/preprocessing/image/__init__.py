"""Layers that prepare and augment images. Names are in `torchkeras.layers`."""
