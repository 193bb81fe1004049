"""Why a step could not become a graph: what torch's compiler said, in words that name the layer, the line and the cure.

May import torch. Knows of a model its layers only. torch's compiler is imported where it has just failed.
"""

from pathlib import Path

_PACKAGE = str(Path(__file__).resolve().parents[1])

_NO_COMPILER = (
    "torch.compile found no working C++ compiler. Install one (Debian, Ubuntu: `apt install g++ python3-dev`, Fedora: "
    "`dnf install gcc-c++ python3-devel`, macOS: `xcode-select --install`, Windows: the Visual Studio build tools), or "
    "name it in the environment variable CXX."
)
_NO_TRITON = "torch.compile needs Triton for this GPU: `pip install triton`."


def reason(error, model):
    """One paragraph on an error of torch's compiler."""
    import torch._inductor.exc as inductor

    cause = getattr(error, "inner_exception", error)
    if isinstance(cause, inductor.InvalidCxxCompiler):
        return _NO_COMPILER
    if isinstance(cause, inductor.CppCompileError) and "Python.h" in str(cause):
        return "torch.compile needs Python's headers: install `python3-dev` (Fedora: `python3-devel`)."
    if isinstance(cause, inductor.TritonMissing):
        return _NO_TRITON
    return f"{_first_words(cause)}{_place(error, model)}"


def _first_words(error):
    """What came, and torch's explanation, without hints, links and stacks."""
    head, _, rest = str(getattr(error, "msg", None) or error).partition("\n")
    told = [line.strip() for line in rest.splitlines() if line.strip().startswith("Explanation:")]
    words = [head.strip().rstrip("."), *(line.removeprefix("Explanation:").strip() for line in told)]
    return f"{type(error).__name__}: {'. '.join(words)}".rstrip(".") + "."


def _place(error, model):
    """Where in the user's program, and in which layer."""
    frames = list(getattr(error, "real_stack", None) or ())
    if not frames:
        return ""
    own = [frame for frame in frames if not frame.filename.startswith(_PACKAGE)]
    frame = (own or frames)[-1]
    layers = [layer for layer in model._flatten_layers() if any(_runs_in(layer, each) for each in frames)]
    where = f" It is in {frame.filename}, line {frame.lineno}, in {frame.name}"
    if layers:
        innermost = layers[-1]
        where += f" (layer {innermost.name!r}, {type(innermost).__name__})"
    return f"{where}: {frame.line}" if frame.line else f"{where}."


def _runs_in(layer, frame):
    """Whether a frame is one of `call` of the layer's class."""
    code = getattr(type(layer).call, "__code__", None)
    if code is None or (code.co_filename, code.co_name) != (frame.filename, frame.name):
        return False
    lines = [line for _, _, line in code.co_lines() if line is not None]
    return min(lines) <= frame.lineno <= max(lines)
