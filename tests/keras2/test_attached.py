"""The table in docs/contributing.md says what `keras2/` attaches where: compared with the package."""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Prints {owner: {name: whether its code stands in keras2}} for every module and class but keras2's own.
PROGRAM = """
import json, os, sys, types
if sys.argv[1] == "without":
    sys.modules["torchkeras.keras2"] = types.ModuleType("torchkeras.keras2")
import torchkeras
from torchkeras.core import registry

def is_of_keras2(value):
    value = getattr(value, "fget", None) or getattr(value, "__func__", None) or value
    code = None if isinstance(value, type) else getattr(value, "__code__", None)
    place = code.co_filename.replace(os.sep, ".") if code else type(value).__module__
    return "torchkeras.keras2." in place + "."

def contents(holder):
    return {key: is_of_keras2(value) for key, value in vars(holder).items() if not key.startswith("__")}

found = {"strings": {name: False for name in registry._by_name}}
for name, module in list(sys.modules.items()):
    if name.startswith("torchkeras.") and not name.startswith("torchkeras.keras2"):
        found[name] = contents(module)
        classes = [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == name]
        found.update({f"{name}.{each.__name__}": contents(each) for each in classes})
print(json.dumps(found))
"""


def snapshot(which):
    command = [sys.executable, "-c", PROGRAM, which]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120).stdout)


def attached():
    """{owner: names} as it is; classes with rules come together under `arguments of`."""
    without, found = snapshot("without"), {}
    for owner, contents in snapshot("with").items():
        names = {name for name, of_keras2 in contents.items() if of_keras2 or name not in without.get(owner, ())}
        if "_rules" in names:
            names.remove("_rules")
            found.setdefault("arguments of", set()).add(owner.rpartition(".")[2])
        if names:
            module, _, last = owner.removeprefix("torchkeras.").rpartition(".")
            found[last if last[:1].isupper() or not module else f"{module}.{last}"] = names
    return found


def test_the_table_says_what_is_attached():
    page = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    section = page[page.index("## What `keras2/` attaches where") :]
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", section, flags=re.MULTILINE)
    table = {re.sub("`", "", owner): set(re.findall(r"`([^`]+)`", names)) for owner, names in rows}
    assert {owner: names for owner, names in table.items() if names} == attached()
