"""Steps of optimizers: one update of many parameters whose gradients are there already, in the two forms.

By hand it is the fastest that torch has for the rule on this device: its optimizer in its fused, its foreach and its
plain form; where torch has no such optimizer, the formula as a user writes it, over lists, tensor by tensor and through
``torch.compile``. All forms are timed beforehand, the fastest takes part. Factors that depend on the number of the step
are constants in what is written by hand here: that costs less, so it is the harder one to match.
Runs inside a worker only.
"""

import contextlib
import functools
import inspect
import time
from dataclasses import dataclass, field

import torch

LARGE = [(512, 512), (512,), (256, 512), (256,)] * 12 + [(512, 512), (512,)]  # 50 tensors, 5 M numbers
SMALL = [(1000,)] * 200
RATE, ROUNDS = 1e-4, 6


@dataclass(frozen=True)
class Step:
    """One rule: ``keras`` names its class, ``by_hand`` gives torch's forms of it (name → function) for parameters."""

    keras: str
    by_hand: object
    options: dict = field(default_factory=dict)
    shapes: list = field(default_factory=lambda: LARGE)

    def tensors(self, device):
        generator = torch.Generator().manual_seed(0)
        return [(torch.randn(shape, generator=generator) * 0.1).to(device) for shape in self.shapes]

    def best_by_hand(self, device):
        """``(name, function)`` of torch's fastest form here."""
        forms = self.by_hand_on(device)[1]
        costs = {}
        for name, run in forms.items():
            with contextlib.suppress(RuntimeError):  # torch has the fused form of some rules on some devices only
                costs[name] = _cost(run, device)
        best = min(costs, key=costs.get)
        return best, forms[best]

    def by_hand_on(self, device):
        """Parameters, and torch's forms of their step."""
        params = [torch.nn.Parameter(tensor) for tensor in self.tensors(device)]
        _give_gradients(params)
        return params, self.by_hand(params)

    def in_keras(self, keras, device):
        """The step of the module that answers as ``keras``: torch's ``step`` where it has one."""
        optimizer = getattr(keras.optimizers, self.keras)(RATE, **self.options)
        variables = [keras.Variable(tensor) for tensor in self.tensors(device)]
        optimizer.build(variables)
        grads = _give_gradients([getattr(variable, "value", variable) for variable in variables])
        if isinstance(optimizer, torch.optim.Optimizer):
            return optimizer.step
        return lambda: optimizer.apply(grads, variables)


def _give_gradients(params):
    generator = torch.Generator().manual_seed(1)
    for param in params:
        param.grad = (torch.randn(param.shape, generator=generator) * 0.01).to(param.device)
    return [param.grad for param in params]


def _cost(run, device):
    """The shortest of some runs after the first, which makes the state or compiles."""
    best = float("inf")
    for timed in range(ROUNDS):
        start = time.perf_counter()
        run()
        if device != "cpu":
            torch.cuda.synchronize()
        if timed:
            best = min(best, time.perf_counter() - start)
    return best


def torchs(name, **options):
    """The forms of ``torch.optim``'s optimizer of that name."""
    cls = getattr(torch.optim, name)
    known = inspect.signature(cls).parameters
    kinds = {kind: {kind: True} for kind in ("fused", "foreach") if kind in known}
    kinds["loop"] = {"foreach": False} if "foreach" in known else {}

    def forms(params):
        return {kind: cls(params, lr=RATE, **options, **how).step for kind, how in kinds.items()}

    return forms


def formula(rule, states):
    """The forms of a ``rule(params, grads, *states)`` over lists, with states that begin at zero."""

    def forms(params):
        lists = [params, [p.grad for p in params], *([torch.zeros_like(p) for p in params] for _ in range(states))]
        compiled = torch.compile(rule)
        return {
            "foreach": lambda: _without_grad(rule, lists),
            "loop": lambda: [_without_grad(rule, [[one] for one in column]) for column in zip(*lists, strict=True)],
            "compiled": lambda: _without_grad(compiled, lists),
        }

    return forms


def _without_grad(rule, lists):
    with torch.no_grad():
        rule(*lists)


def ftrl(params, grads, sums, linears):
    before = torch._foreach_sqrt(sums)
    torch._foreach_addcmul_(sums, grads, grads)
    scales = torch._foreach_sqrt(sums)
    torch._foreach_sub_(before, scales)
    torch._foreach_add_(linears, grads)
    torch._foreach_addcmul_(linears, before, params, value=1 / RATE)
    found = torch._foreach_div(linears, scales)
    torch._foreach_mul_(found, -RATE)
    torch._foreach_copy_(params, found)


def lion(params, grads, momentums):
    directions = torch._foreach_lerp(momentums, grads, 0.1)
    torch._foreach_sign_(directions)
    torch._foreach_add_(params, directions, alpha=-RATE)
    torch._foreach_lerp_(momentums, grads, 0.01)


def lamb(params, grads, momentums, velocities):
    torch._foreach_lerp_(momentums, grads, 0.1)
    torch._foreach_mul_(velocities, 0.999)
    torch._foreach_addcmul_(velocities, grads, grads, value=0.001)
    roots = torch._foreach_sqrt(velocities)
    torch._foreach_add_(roots, 1e-7)
    directions = torch._foreach_div(momentums, roots)
    sizes, lengths = torch._foreach_norm(params), torch._foreach_norm(directions)
    torch._foreach_div_(sizes, lengths)
    torch._foreach_mul_(directions, sizes)
    torch._foreach_add_(params, directions, alpha=-RATE)


def schedule_free(params, grads, fast, velocities):
    torch._foreach_mul_(velocities, 0.999)
    torch._foreach_addcmul_(velocities, grads, grads, value=0.001)
    roots = torch._foreach_sqrt(velocities)
    torch._foreach_add_(roots, 1e-8)
    torch._foreach_addcdiv_(fast, grads, roots, value=-RATE)
    torch._foreach_lerp_(params, fast, 0.01)
    torch._foreach_addcdiv_(params, grads, roots, value=-0.099 * RATE)


def muon(params):
    """The rule in float32, as Keras has it, matrix by matrix and stacked by shape; ``torch.optim.Muon`` iterates in
    bfloat16. AdamW has what is no matrix."""
    matrices = [p for p in params if p.dim() == 2]
    momentums = [torch.zeros_like(p) for p in matrices]
    rest = torch.optim.AdamW([p for p in params if p.dim() != 2], lr=RATE, fused=True)
    shapes = [[i for i, p in enumerate(matrices) if p.shape == shape] for shape in {p.shape for p in matrices}]
    sets = {"loop": [[i] for i in range(len(matrices))], "stacked": shapes}

    @torch.no_grad()
    def run(members):
        rest.step()
        torch._foreach_mul_(momentums, 0.95)
        torch._foreach_add_(momentums, [p.grad for p in matrices])
        for some in members:
            ahead = torch._foreach_add([matrices[i].grad for i in some], [momentums[i] for i in some], alpha=0.95)
            moves = _orthogonal(torch.stack(ahead)).unbind()
            torch._foreach_add_([matrices[i] for i in some], list(moves), alpha=-RATE)

    return {kind: functools.partial(run, members) for kind, members in sets.items()}


def _orthogonal(x):
    x = x / x.norm(dim=(-2, -1), keepdim=True)
    for _ in range(5):
        square = x @ x.mT
        mixed = torch.baddbmm(square, square, square, beta=-4.775, alpha=2.0315)
        x = torch.baddbmm(x, mixed, x, beta=3.4445)
    return x


def around(name, before=None, after=None, every=1, **options):
    """``torch.optim``'s fused optimizer on every ``every``-th step, with something before and after it."""

    def forms(params):
        inner = getattr(torch.optim, name)(params, lr=RATE, fused=True, **options)
        kept = [torch.zeros_like(p) for p in params]
        ways = {"foreach": _at_once, "loop": _one_by_one}
        return {kind: _around(inner, before, after, every, params, kept, apply) for kind, apply in ways.items()}

    return forms


def _around(inner, before, after, every, params, kept, apply):
    count = 0

    def run():
        nonlocal count
        count += 1
        with torch.no_grad():
            if before is not None:
                before(apply, params, kept)
            if count % every == 0:
                inner.step()
                if every > 1:
                    apply(torch._foreach_zero_, kept)
            if after is not None:
                after(apply, params, kept)

    return run


def _at_once(function, *lists, **options):
    return function(*lists, **options)


def _one_by_one(function, *lists, **options):
    done = [function(*([one] for one in column), **options) for column in zip(*lists, strict=True)]
    return [one for some in done if some is not None for one in some]


def clipped(apply, params, kept):
    grads = [p.grad for p in params]
    norms = apply(torch._foreach_norm, grads)
    norms = torch.stack(norms).clamp(min=1.0).reciprocal().unbind()
    apply(torch._foreach_mul_, grads, norms)


def clipped_together(apply, params, kept):
    torch.nn.utils.clip_grad_norm_(params, 1.0, foreach=apply is _at_once)


def accumulated(apply, params, kept):
    """Only the sum: its mean would be made by the loss."""
    apply(torch._foreach_add_, kept, [p.grad for p in params])


def decayed(apply, params, kept):
    apply(torch._foreach_mul_, params, scalar=1.0 - RATE * 0.01)


def averaged(apply, params, kept):
    apply(torch._foreach_lerp_, kept, params, weight=0.01)


STEPS = {
    "sgd": Step("SGD", torchs("SGD")),
    "momentum": Step("SGD", torchs("SGD", momentum=0.9), {"momentum": 0.9}),
    "adam": Step("Adam", torchs("Adam")),
    "adamw": Step("AdamW", torchs("AdamW")),
    "rmsprop": Step("RMSprop", torchs("RMSprop")),
    "adagrad": Step("Adagrad", torchs("Adagrad")),
    "adadelta": Step("Adadelta", torchs("Adadelta")),
    "adamax": Step("Adamax", torchs("Adamax")),
    "nadam": Step("Nadam", torchs("NAdam")),
    "adafactor": Step("Adafactor", torchs("Adafactor")),
    "muon": Step("Muon", muon),
    "ftrl": Step("Ftrl", formula(ftrl, 2)),
    "lion": Step("Lion", formula(lion, 1)),
    "lamb": Step("Lamb", formula(lamb, 2)),
    "schedule_free": Step("ScheduleFreeAdamW", formula(schedule_free, 2)),
    "clipnorm": Step("Adam", around("Adam", clipped), {"clipnorm": 1.0}),
    "global_clipnorm": Step("Adam", around("Adam", clipped_together), {"global_clipnorm": 1.0}),
    "weight_decay": Step("SGD", around("SGD", decayed, momentum=0.9), {"momentum": 0.9, "weight_decay": 0.01}),
    "ema": Step("Adam", around("Adam", after=averaged), {"use_ema": True}),
    "accumulation": Step("Adam", around("Adam", accumulated, every=2), {"gradient_accumulation_steps": 2}),
    "small_sgd": Step("SGD", torchs("SGD"), shapes=SMALL),
    "small_adam": Step("Adam", torchs("Adam"), shapes=SMALL),
    "small_rmsprop": Step("RMSprop", torchs("RMSprop"), shapes=SMALL),
    "small_lion": Step("Lion", formula(lion, 1), shapes=SMALL),
}
