"""The paths of tf.keras 2 in `.weights.h5` and `.keras`: where they differ from Keras 3's, and which ones a file has.

May import core and `state_walk`. tf.keras 2 (2.12 and later) visited attributes from the last name to the first. What a
subclassed model holds is found under the attribute if its name comes after "layers", else as a member of `layers`.
"""

from torchkeras.core import scopes
from torchkeras.saving import state_walk

# Public in Keras 3, private in tf.keras 2.
_PRIVATE = {f"{name}_dense": f"_{name}_dense" for name in ("query", "key", "value", "output")}
_FIRST_FILES = "_layer_checkpoint_dependencies"  # what 2.12 called `layers` in some files


def walk(root, found):
    """`(path, object)` as `state_walk.walk` gives them, by the paths of the generation that wrote a file.

    Args:
        found: the paths at which the file has something.
    """
    wanted = {path for path in found if path and not path.startswith(("optimizer", "metrics"))}
    pairs = list(state_walk.walk(root))
    if wanted <= {path for path, _ in pairs}:
        return pairs
    older = list(_walk(root, "", set()))
    for each in (older, [(_renamed(path), obj) for path, obj in older]):
        if wanted <= {path for path, _ in each}:
            return each
    return pairs


def _renamed(path):
    return "/".join(_FIRST_FILES if part == "layers" else part for part in path.split("/"))


def _walk(obj, path, visited):
    if id(obj) in visited:
        return
    visited.add(id(obj))
    yield path, obj
    first = getattr(obj, "_saved_first", ())  # graphs register their layers by name too
    children = [pair for pair in state_walk.children(obj) if not _is_registered_member(*pair, obj)]
    for name, child in sorted(children, key=lambda pair: (pair[0] in first, pair[0]), reverse=True):
        name = _PRIVATE.get(name, name)
        yield from _walk_any(child, f"{path}/{name}" if path else name, visited)


def _is_registered_member(name, child, obj):
    """Whether a layer is known to torch by this name, but stands in a list or dict: `blocks_0` of `blocks`."""
    before = name.rpartition("_")[0]
    held = vars(obj).get(before) if before else None
    return isinstance(held, state_walk.CONTAINERS) and any(child is item for item in state_walk.members(held))


def _walk_any(child, path, visited):
    if isinstance(child, state_walk.CONTAINERS):
        counts = {}
        for item in state_walk.members(child):
            if id(item) not in visited and state_walk.has_state(item):  # others do not count
                name = state_walk.numbered(scopes.snake_case(type(item).__name__), counts)
                yield from _walk(item, f"{path}/{name}", visited)
    elif state_walk.has_state(child):
        yield from _walk(child, path, visited)
