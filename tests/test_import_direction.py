"""The rooms of torchkeras import in one direction only, and every file keeps the house rules that can be read off it.

Everything here reads source by `ast`; nothing of torchkeras is imported. `python tests/test_import_direction.py` prints
the findings without pytest.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "torchkeras"

# Lowest first. A room may import the rooms of its own level and of those before it, also inside a function.
LEVELS = (
    {"errors"},
    {"core"},
    {"random"},
    {"ops"},
    {"data"},
    {"activations", "config", "constraints", "dtype_policies", "initializers", "regularizers", "tree"},
    {"layers"},
    {"losses", "metrics", "optimizers"},
    {"saving"},
    {"export"},
    {"callbacks"},
    {"training"},
    {"models"},
    {
        "applications", "backend", "datasets", "distribution", "keras2", "legacy", "mixed_precision", "preprocessing",
        "quantize", "utils", "visualization",
    },
    {"port", "shim"},
    {"__init__", "__main__"},
)  # fmt: skip
RANK = {room: rank for rank, rooms in enumerate(LEVELS) for room in rooms}

# (importing file, imported room): why this upward import has to be. An entry that is no longer needed fails the test.
EXCEPTIONS: dict[tuple[str, str], str] = {}

# (file, what it imports inside a function): why that cannot stand at the top. An entry no longer needed fails the test.
INNER_IMPORTS: dict[tuple[str, str], str] = {
    ("callbacks/event_files.py", "tensorboard.compat.proto"): "optional package",
    ("callbacks/event_files.py", "torch.utils.tensorboard"): "needs an optional package, and a second to load",
    ("callbacks/projector.py", "tensorboard.plugins.projector.projector_config_pb2"): "optional package",
    ("initializers/initializer.py", "scipy"): "optional package",
    ("keras2/preprocessing/affine.py", "scipy"): "optional package",
    ("layers/normalization.py", "torch.distributed.nn.functional"): "a tenth of a second, for several processes only",
    ("models/model.py", "torchkeras.export"): "needed when someone exports",
    ("models/model.py", "torchkeras.models.summary"): "needed when someone looks",
    ("models/model.py", "torchkeras.models.explain"): "needed when someone looks",
    ("models/summary.py", "IPython.display"): "optional package",
    ("saving/backups.py", "torchkeras.saving"): "the rooms of formats load h5py: when a file is read or written",
    ("saving/file_editor.py", "torchkeras.saving"): "the rooms of formats load h5py: when a file is read or written",
    ("saving/formats.py", "torchkeras.saving"): "the rooms of formats load h5py: when a file is read or written",
    ("training/compiled_step.py", "torch._dynamo"): "a second and more, for those who compile",
    ("training/graph_obstacles.py", "torch._inductor.exc"): "the same, where the compiler has failed",
    ("utils/drawings.py", "IPython.display"): "optional package",
    ("utils/drawings.py", "pydot"): "optional package",
    ("utils/images.py", "PIL"): "optional package",
}

# Folder and file names that say nothing about what lives there; `utils` is a name that Keras publishes.
EMPTY_NAMES = {"utils", "util", "common", "helpers", "helper", "base", "misc"}
PUBLISHED_NAMES = {"utils"}


def source_files():
    return sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def relative(path):
    return path.relative_to(PACKAGE).as_posix()


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def room_of(parts):
    """The room that the dotted name `torchkeras.parts...` belongs to; the package itself is `__init__`."""
    return parts[0] if parts else "__init__"


def is_room(name):
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()


def targets_of_from(node, package):
    """The modules of torchkeras that `from module import names` may load, as tuples below the package."""
    if node.level:
        base = package[: len(package) - node.level + 1] + tuple((node.module or "").split(".") if node.module else ())
    elif (node.module or "").partition(".")[0] == "torchkeras":
        base = tuple(node.module.split("."))
    else:
        return
    for alias in node.names:
        inner = base[1:]
        # `from torchkeras import layers` asks for the room; `from torchkeras import Sequential` for the package.
        yield inner if inner or not is_room(alias.name) else (alias.name,)


def imported(path):
    """(line, module below torchkeras as a tuple) for every import of torchkeras in a file, at any depth."""
    package = ("torchkeras", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                parts = tuple(alias.name.split("."))
                if parts[0] == "torchkeras":
                    yield node.lineno, parts[1:]
        elif isinstance(node, ast.ImportFrom):
            for parts in targets_of_from(node, package):
                yield node.lineno, parts
        elif isinstance(node, ast.Call) and node.args:
            function, name = node.func, node.args[0]
            called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)
            if called in ("import_module", "__import__") and isinstance(name, ast.Constant):
                parts = tuple(str(name.value).split("."))
                if parts[0] == "torchkeras":
                    yield node.lineno, parts[1:]


def import_findings():
    """(problems, exceptions that were needed)."""
    problems, used = [], set()
    for path in source_files():
        file = relative(path)
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room not in RANK:
            problems.append(f"torchkeras/{file}: room {room!r} has no place in LEVELS of {Path(__file__).name}")
            continue
        for line, parts in imported(path):
            target = room_of(parts)
            if target not in RANK:
                problems.append(f"torchkeras/{file}:{line}: imports {target!r}, which has no place in LEVELS")
            elif RANK[target] > RANK[room]:
                if (file, target) in EXCEPTIONS:
                    used.add((file, target))
                else:
                    name = ".".join(("torchkeras", *parts))
                    problems.append(f"torchkeras/{file}:{line}: imports {name} upward ({room} < {target})")
    return problems, used


def file_imports():
    """File -> the files of the package that it imports, at any depth of its functions; without the package's own."""
    names = {relative(path).removesuffix(".py").removesuffix("/__init__"): path for path in source_files()}
    return {name: set(files_imported(path, names)) - {name, "__init__"} for name, path in names.items()}


def files_imported(path, names):
    """The files, among `names`, that the imports of a file load."""
    package = ("torchkeras", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            modules = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            base += (node.module or "").split(".") if node.module else []
            modules = [[*base, alias.name] for alias in node.names]
        else:
            continue
        for module in modules:
            inner = [part for part in ("/".join(module[1:]), "/".join(module[1:-1])) if part in names]
            if module[0] == "torchkeras" and inner:
                yield inner[0]


def circles(imports):
    """The groups of files that import each other, in whatever roundabout way."""
    reached = {name: set(others) for name, others in imports.items()}
    for middle in imports:
        for others in reached.values():
            if middle in others:
                others |= reached[middle]
    return sorted({tuple(sorted(b for b in reached[a] if a in reached[b])) for a in reached if a in reached[a]})


def findings():
    problems, used = import_findings()
    problems += [f"EXCEPTIONS: {key} is not needed any more" for key in EXCEPTIONS if key not in used]
    return problems


def test_imports_point_one_way():
    assert findings() == []


def test_no_file_is_in_a_circle_of_imports():
    assert circles(file_imports()) == []


def test_circles_are_seen():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"a"}}) == [("a", "b", "c")]


@pytest.mark.parametrize(
    "file, source, expected",
    [
        ("core/layer.py", "import torchkeras.layers.dense", [("layers", "dense")]),
        ("core/layer.py", "def f():\n    from torchkeras import shim\n", [("shim",)]),
        ("core/layer.py", "from torchkeras import Sequential", [()]),
        ("core/layer.py", "import torchkeras as keras", [()]),
        ("core/layer.py", "from . import scopes\nfrom .dtypes import cast", [("core",), ("core", "dtypes")]),
        ("core/layer.py", "from .. import shim\nfrom ..shim import tf", [("shim",), ("shim",)]),
        ("core/layer.py", "import importlib\nimportlib.import_module('torchkeras.shim')", [("shim",)]),
        ("core/layer.py", "import torch\nfrom keras import layers\nimport torchkeras_other", []),
    ],
)
def test_the_reader_sees_every_kind_of_import(tmp_path, monkeypatch, file, source, expected):
    for name in ("core", "shim"):
        (tmp_path / "torchkeras" / name).mkdir(parents=True)
    path = tmp_path / "torchkeras" / file
    path.write_text(source)
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path / "torchkeras")
    assert [parts for _, parts in imported(path)] == expected


@pytest.mark.parametrize("path", source_files(), ids=relative)
def test_file_opens_with_its_room_card(path):
    card = ast.get_docstring(parse(path))
    assert card, f"{relative(path)}: the first statement must be a docstring that says what lives here"


def test_names_say_what_lives_there():
    places = {relative(place) for file in source_files() for place in (file, file.parent)} - PUBLISHED_NAMES
    assert [place for place in sorted(places) if Path(place).stem.strip("_") in EMPTY_NAMES] == []


def meta_strings(tree):
    """Lines that name torch's meta device: the string "meta" as a value (not as a key, docstring or attribute)."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.split(":")[0] == "meta"
    ]


def test_meta_tensors_appear_only_where_nothing_has_values():
    found = {relative(path): lines for path in source_files() if (lines := meta_strings(parse(path)))}
    assert set(found) <= {"core/shape_probe.py", "core/unfilled.py"}, found


def inner_imports():
    """(file, module) for every import statement inside a function."""
    for path in source_files():
        functions = [node for node in ast.walk(parse(path)) if isinstance(node, ast.FunctionDef)]
        for node in {inner for function in functions for inner in ast.walk(function)}:
            if isinstance(node, ast.ImportFrom):
                yield relative(path), node.module
            elif isinstance(node, ast.Import):
                yield from ((relative(path), alias.name) for alias in node.names)


def test_imports_inside_functions_have_a_reason():
    assert set(inner_imports()) == set(INNER_IMPORTS)


HEAVY = (
    "h5py", "matplotlib", "pandas", "keras", "tensorflow", "sklearn", "scipy", "torch._dynamo", "torch._inductor",
    "safetensors", "IPython",
)  # fmt: skip


def test_import_loads_no_optional_package():
    program = f"import sys, torchkeras; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    command, environment = [sys.executable, "-c", program], {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []


if __name__ == "__main__":
    problems = findings()
    print(*problems, sep="\n", end="\n" if problems else "")
    sys.exit(1 if problems else 0)
