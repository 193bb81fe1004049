"""`python -m torchkeras program` behaves as `python program` does."""

import re
import textwrap

import pytest

PROBE = """\
import sys, os, inspect

class Thing:
    pass

import pickle
print(sys.argv, sys.path[0] == os.getcwd(), __name__, os.path.basename(__file__), os.path.isabs(__file__))
print(__spec__ and __spec__.name, __package__, __doc__, sys.modules["__main__"].__dict__ is globals())
print(type(pickle.loads(pickle.dumps(Thing()))) is Thing, inspect.getsource(Thing))
"""

FAILURE = """\
import atexit
atexit.register(print, "at exit")

def fail(x):
    try:
        1 / x
    except ZeroDivisionError as error:
        raise ValueError("wrong data: é") from error

fail(0)
"""

PACKAGE = {
    "pack/__init__.py": "import sys; print('package', sys.argv)\n",
    "pack/__main__.py": "from . import part\n" + PROBE,
    "pack/part.py": "VALUE = 1\n",
    "pack/tool.py": "from pack.part import VALUE\nimport sys; print(VALUE, sys.argv[1:], __name__, __package__)\n",
    "pack/broken.py": "import no_such_requirement\n",
}

NEIGHBOUR = "import sys, near; print(near.V, sys.argv)"

PROGRAMS = {
    "script": (["probe.py", "-x", "--help", "a b"], {"probe.py": PROBE}),
    "script in a folder": (["sub/run.py"], {"sub/run.py": NEIGHBOUR, "sub/near.py": "V = 1"}),
    "folder": (["app", "arg"], {"app/__main__.py": NEIGHBOUR, "app/near.py": "V = 1"}),
    "package": (["-m", "pack", "-m", "q"], PACKAGE),
    "module": (["-mpack.tool", "q"], PACKAGE),
    "module with a broken import": (["-m", "pack.broken"], PACKAGE),
    "exception": (["fail.py"], {"fail.py": FAILURE}),
    "syntax error": (["bad.py"], {"bad.py": "x = 1\nif x\n    pass\n"}),
    "exit status": (["out.py"], {"out.py": "import sys; print('x'); sys.exit(3)"}),
    "exit message": (["out.py"], {"out.py": "raise SystemExit('the reason')"}),
    "interrupt": (["stop.py"], {"stop.py": "import atexit; atexit.register(print, 'end')\nraise KeyboardInterrupt"}),
    "missing import": (["imp.py"], {"imp.py": "def f():\n    import no_such_requirement\nf()\n"}),
    "future import": (["fut.py"], {"fut.py": "'''Doc.'''\nfrom __future__ import annotations\nprint(__doc__)\n"}),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_same_as_plain_python(python, name):
    arguments, files = PROGRAMS[name]
    expected = python(*arguments, files=files)
    result = python("-m", "torchkeras", *arguments)
    assert result.stdout == expected.stdout
    # `python -m` shows two frames of runpy above the program's; ours shows none.
    assert result.stderr == re.sub(r'  File ".*\brunpy\b.*\n(    .*\n)*', "", expected.stderr)
    assert result.returncode == expected.returncode


def test_program_gets_torchkeras(python):
    program = """
        import sys
        import keras.layers
        import tensorflow as tf
        from tensorflow.keras.layers import Dense
        import torchkeras
        assert keras is torchkeras is tf.keras and Dense is torchkeras.layers.Dense
        assert sys.modules["keras.layers"] is sys.modules["tensorflow.keras.layers"] is torchkeras.layers
        model = keras.Sequential([keras.Input((3,)), Dense(2)])
        print(model.output_shape, sys.argv[1:])
    """
    result = python("-m", "torchkeras", "train.py", "--epochs", "3", files={"train.py": textwrap.dedent(program)})
    assert (result.stdout, result.returncode) == ("(None, 2) ['--epochs', '3']\n", 0), result.stderr


@pytest.mark.parametrize("line", ["import keras.no_such_room", "from tensorflow import no_such_name"])
def test_traceback_of_a_missing_name_ends_in_the_program(python, line):
    result = python("-m", "torchkeras", "ask.py", files={"ask.py": f"def f():\n    {line}\n\nf()\n"})
    assert result.returncode == 1
    frames = [text for text in result.stderr.splitlines() if text.strip().startswith("File ")]
    assert len(frames) == 2 and all("ask.py" in frame for frame in frames), result.stderr
    assert "no_such" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments, status, text",
    [
        ([], 2, "needs a script"),
        (["-m"], 2, "-m needs a module"),
        (["--no-such-option", "x.py"], 2, "unknown option --no-such-option"),
        (["absent.py"], 2, "can't open file"),
        (["-m", "no_such_module"], 1, "No module named no_such_module"),
        (["-m", "no_such_package.part"], 1, "No module named 'no_such_package'"),
    ],
)
def test_command_line_that_names_no_program(python, arguments, status, text):
    result = python("-m", "torchkeras", *arguments)
    assert result.returncode == status and text in result.stderr and "Traceback" not in result.stderr, result.stderr


def test_help(python):
    result = python("-m", "torchkeras", "--help")
    assert result.returncode == 0 and "script.py" in result.stdout and "-m module" in result.stdout
