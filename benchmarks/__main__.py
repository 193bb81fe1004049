"""``python -m benchmarks``: the command line. Run from the repository root; on a larger machine put
``taskset -c 0,1`` before it to measure on two cores. Imports ``measures`` and ``report``; must not import torch.
"""

import argparse
import os
import sys
from importlib.util import find_spec

from .measures import MEASURES, Bench, shortened
from .report import Table, machine, version_of
from .worker import HAND


def arguments(argv=None):
    names = [measure.name for measure in MEASURES]
    known = " ".join(names)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ratios against hand-written torch.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"measures to run (default all): {known}")
    parser.add_argument("--rounds", type=int, help="interleaved rounds for each measure (default 7; quick: 2)")
    parser.add_argument("--quick", action="store_true", help="few steps and rounds: does it run, not how fast")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--no-keras", action="store_true", help="leave Keras on torch out")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cuda leaves Keras on torch out")
    parser.add_argument("--module", default="torchkeras", help="the module measured (default torchkeras)")
    options = parser.parse_args(argv)
    if unknown := sorted(set(options.names) - set(names)):
        parser.error(f"no measure is called {', '.join(unknown)}; there are {', '.join(names)}")
    if find_spec(options.module) is None:
        parser.error(f"no module named {options.module}: run from the repository root, or `pip install -e .` first")
    if options.rounds is None:
        options.rounds = 2 if options.quick else 7
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: at least one round is needed")
    return options


def keras_state(options):
    """Whether Keras on torch takes part, and what the header says of it."""
    if options.no_keras or options.device != "cpu" or options.module == "keras":
        return False, "left out"
    found = version_of("keras")
    return found is not None, found or "not installed (`pip install keras` for its column)"


def main(argv=None):
    options = arguments(argv)
    with_keras, keras_words = keras_state(options)
    os.environ["KERAS_BACKEND"] = "torch"  # the workers inherit both
    if options.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # a contender that prefers a GPU must not find one
    contenders = [HAND, options.module, *(["keras"] if with_keras else [])]
    table = Table(options.module, options.markdown)
    errors = []
    with Bench(contenders, options.device, options.rounds) as bench:
        print(machine(bench.facts(), keras_words), end="\n\n")
        table.head()
        for measure in MEASURES:
            if options.names and measure.name not in options.names:
                continue
            for row in bench.rows(shortened(measure) if options.quick else measure):
                table.row(row)
                errors += [f"{row.title}, {name}:\n{text}" for name, text in row.errors.items()]
    print(*("\n" + error for error in errors), sep="\n", end="")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
