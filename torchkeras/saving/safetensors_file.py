"""`.safetensors`: a header that names, types and places every tensor, then their bytes. No code, nothing packed.

May import core and this room. The header is judged whole before anything is read (`_judged`); values go from the file
straight into the weights' memory. Names are never paths: they are compared with the model's own.

The format's own library (0.8) is what the tests compare with. It is not used: it judges less (duplicate keys, sizes
that overflow); it maps the file, so that a load takes twice the time (64 ms for 100 MB, 32 here) and holds every weight
twice; it wants all tensors at once, so that a save copies what lies otherwise in memory (81 MiB for 90 of
convolutions, 18 here); and its errors of a full disk are no `OSError`.
"""

import json
import math
import os
import struct
from concurrent.futures import ThreadPoolExecutor

import torch

from torchkeras.saving import guards, named_weights
from torchkeras.saving.replacing import replacing

MAX_TENSORS = 100_000
MAX_HEADER = 100_000_000  # the limit of the format's own library
_PART = 2 * guards.MIB  # bytes that are worth a thread
_MOST_THREADS = 8
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "C64": torch.complex64,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "U16": torch.uint16,
    "U32": torch.uint32,
    "U64": torch.uint64,
    "BOOL": torch.bool,
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_METADATA, _WRITER = "__metadata__", "torchkeras"


# -- writing ----------------------------------------------------------------------------------------------------------


def write(model, path, layout="keras", include_optimizer=False):
    """Writes the weights of `model` under their paths, in Keras's shapes; with `layout="torch"` under the names and in
    the shapes that torch's own modules would have them."""
    write_tensors(path, named_weights.written(model, layout, include_optimizer), layout)


def by_path(variables):
    """`{path: (tensor, None)}` of variables, for `write_tensors`."""
    found = {}
    for variable in variables:
        found[named_weights.unique(variable.path, found)] = (variable.detach(), None)
    return found


def write_tensors(path, tensors, layout="keras"):
    """Writes `{name: (tensor, form)}`; the form is torch's of a weight, or None."""
    header, place = {_METADATA: _metadata(layout)}, 0
    for name, (tensor, form) in tensors.items():
        if tensor.dtype not in _NAMES:
            raise ValueError(f"{name!r} is {tensor.dtype}, which safetensors has no word for: use `.weights.h5`.")
        end = place + tensor.numel() * tensor.element_size()
        shape = tuple(tensor.shape) if form is None else form.torch_shape
        header[name] = {"dtype": _NAMES[tensor.dtype], "shape": shape, "data_offsets": (place, end)}
        place = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path) as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor, form in tensors.values():
            file.write(_bytes_of((tensor if form is None else form.axes_of(tensor)).cpu().contiguous()))


def _metadata(layout):
    kind = {"keras": "keras", "torch": "pt"}[layout]  # "pt" is what torch's world asks for
    return {"format": kind, "layout": layout, "writer": _WRITER}


def _bytes_of(tensor):
    """The memory of a dense tensor, without a copy."""
    return tensor.reshape(-1).view(torch.uint8).numpy()


# -- reading ----------------------------------------------------------------------------------------------------------


def load(model, path, **options):
    """Gives a model the weights of a file; `options` are those of `named_weights.load`."""
    name = os.fspath(path)
    with guards.readable(path) as file:
        named_weights.load(model, Source(file, name), name, **options)


class Source:
    """Tensors of an open file by name."""

    def __init__(self, file, what):
        self._file, self._what = file, what
        self._entries, metadata = _judged(file, what)
        self.names = list(self._entries)
        metadata = metadata if isinstance(metadata, dict) else {}
        self.layout = metadata.get("layout")
        self.in_order = metadata.get("writer") == _WRITER  # of the model that was saved; others sort by name

    def shape(self, name):
        """The shape in the file."""
        return self._entries[name][1]

    def tensor(self, name):
        """A new tensor."""
        dtype, shape, place, size = self._entries[name]
        tensor = torch.empty(shape, dtype=dtype)
        self._fill(tensor, name, place, size)
        return tensor

    def read(self, name, view):
        """Copies into a view of the same number of values, in their order; straight where the view lies so."""
        dtype, _, place, size = self._entries[name]
        if view.dtype is dtype and view.device.type == "cpu" and view.is_contiguous():
            self._fill(view, name, place, size)
        else:
            named_weights.fill(view, self.tensor(name))

    def _fill(self, tensor, name, place, size):
        """Large tensors are read by several threads: one alone is slower than the memory."""
        parts = min(torch.get_num_threads(), _MOST_THREADS, size // _PART) if hasattr(os, "preadv") else 1
        memory = memoryview(_bytes_of(tensor))
        if parts < 2:
            self._file.seek(place)
            self._read_all(self._file.readinto, memory, name)
            return
        cuts = [size * part // parts for part in range(parts + 1)]
        with ThreadPoolExecutor(parts) as threads:
            list(threads.map(lambda a, b: self._read_part(memory[a:b], place + a, name), cuts, cuts[1:]))

    def _read_part(self, memory, place, name):
        descriptor, total = self._file.fileno(), len(memory)
        self._read_all(lambda rest: os.preadv(descriptor, [rest], place + total - len(rest)), memory, name)

    def _read_all(self, read, memory, name):
        while len(memory):
            count = read(memory)
            if not count:
                raise guards.CorruptFileError(f"{self._what}: the file ends within {name!r}.")
            memory = memory[count:]


def _judged(file, what):
    """`({name: (dtype, shape, place, size)}, metadata)`. The tensors fill the file without gap or overlap."""
    size = os.fstat(file.fileno()).st_size
    start = file.read(8)
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
    if length > size - 8:
        raise guards.CorruptFileError(f"{what} is no safetensors file, or cut short: the header ends behind the file.")
    if length > MAX_HEADER:
        raise guards.ResourceLimitError(f"{what}: the header has {length:,} bytes; at most {MAX_HEADER:,} are read.")
    header = guards.read_json(file.read(length), f"{what}: the header")
    if not isinstance(header, dict):
        raise guards.CorruptFileError(f"{what}: the header is no table.")
    metadata = header.pop(_METADATA, {})
    if len(header) > MAX_TENSORS:
        raise guards.ResourceLimitError(f"{what} has {len(header):,} tensors; at most {MAX_TENSORS:,} are read.")
    entries = {name: _entry(name, entry, 8 + length, what) for name, entry in header.items()}
    expected = 8 + length
    for name, (_, _, place, amount) in sorted(entries.items(), key=lambda item: item[1][2:]):
        if place != expected:
            raise guards.CorruptFileError(f"{what}: {name!r} begins where another tensor or a gap is.")
        expected = place + amount
    if expected != size:
        raise guards.CorruptFileError(f"{what} has {size:,} bytes, its header speaks of {expected:,}: it is cut short.")
    return entries, metadata


def _entry(name, entry, start, what):
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise guards.CorruptFileError(f"{what}: the header says no dtype, shape and data_offsets for {name!r}.")
    dtype, shape, offsets = _DTYPES.get(str(entry["dtype"])), entry["shape"], entry["data_offsets"]
    if dtype is None:
        raise guards.CorruptFileError(f"{what}: {name!r} has the unknown dtype {entry['dtype']!r}.")
    if not (_are_sizes(shape) and _are_sizes(offsets) and len(offsets) == 2 and len(shape) <= 64):
        raise guards.CorruptFileError(f"{what}: {name!r} has shape {shape} and place {offsets}.")
    if any(size >= 2**63 // 8 for size in shape) or math.prod(size for size in shape if size) >= 2**63 // 8:
        raise guards.ResourceLimitError(f"{what}: {name!r} has the shape {tuple(shape)}, which no memory could hold.")
    size = math.prod(shape) * dtype.itemsize
    if offsets[1] - offsets[0] != size:
        raise guards.CorruptFileError(f"{what}: {name!r} {tuple(shape)} needs {size:,} bytes, its place has others.")
    return dtype, tuple(shape), start + offsets[0], size


def _are_sizes(values):
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)
