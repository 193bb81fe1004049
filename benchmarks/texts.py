"""TextVectorization beside Keras on TensorFlow, which torch's Keras needs for it: seconds of `adapt` and of a call.

    python -m benchmarks.texts /path/to/python/with/tensorflow [texts]

Both sides run in processes of their own, round after round in turn, on the same 20,000 texts of 200 words. Without a
Python only this side is timed. Imports nothing of either library outside of its worker.
"""

import json
import os
import statistics
import subprocess
import sys
import time

ROUNDS = 3
MODES = {"int": {}, "tf_idf": {"output_mode": "tf_idf", "max_tokens": 5000}}


def texts_of(count, words=200, vocabulary=20_000):
    """Texts whose words are as frequent as those of a language."""
    import numpy as np

    rng = np.random.default_rng(0)
    known = np.array(["".join(map(chr, rng.integers(97, 123, size))) for size in rng.integers(1, 12, vocabulary)])
    shares = 1 / np.arange(1, vocabulary + 1)
    chosen = rng.choice(vocabulary, (count, words), p=shares / shares.sum())
    return [" ".join(row) + "." for row in known[chosen].tolist()]


def measured(keras, count):
    """Seconds by what was done; the call is the better of two, because the first makes tables."""
    texts, found = texts_of(count), {}
    few = texts[: count // 10]  # whose vectors fit into memory
    for mode, options in MODES.items():
        layer = keras.layers.TextVectorization(**options)
        found[f"{mode} adapt"] = _seconds(lambda layer=layer, mode=mode: layer.adapt(texts if mode == "int" else few))
        calls = [_seconds(lambda layer=layer, mode=mode: layer(texts if mode == "int" else few)) for _ in range(2)]
        found[f"{mode} call"] = min(calls)
    return found


def _seconds(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _worker(library, count):
    os.environ["KERAS_BACKEND"] = "tensorflow"
    module = __import__(library)
    print(json.dumps(measured(module, count)))


def _run(python, library, count):
    command = [python, os.path.abspath(__file__), "--worker", library, str(count)]
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}
    if library == "keras":
        environment.pop("PYTHONPATH")
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return json.loads(output.strip().splitlines()[-1])


def main(arguments):
    python = arguments[0] if arguments else None
    count = int(arguments[1]) if len(arguments) > 1 else 20_000
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(_run(sys.executable, "torchkeras", count))
        if python:
            theirs.append(_run(python, "keras", count))
    for what in ours[0]:
        mine = statistics.median(each[what] for each in ours)
        line = f"{what:14} torchkeras {mine:7.3f} s"
        if theirs:
            other = statistics.median(each[what] for each in theirs)
            line += f"   Keras on TensorFlow {other:7.3f} s   ratio {mine / other:.2f}"
        print(line)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        _worker(sys.argv[2], int(sys.argv[3]))
    else:
        main(sys.argv[1:])
