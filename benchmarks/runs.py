"""From a workload to a function to time: ``fit``, ``call`` and ``predict``, by hand and in Keras; memory and import.

Every maker returns a function of no arguments that does ``steps`` steps. Neither side shuffles: a hand-written loop
that slices in order is the harder one to match. ``epochs`` alone is what such a program looks like: ``steps`` epochs of
one shuffled batch, each loss kept. Runs inside a worker only; must not know who else takes part. torch is imported
inside functions because the import measures need a process without it.
"""

import importlib
import time

MOST = 200  # steps of an epoch: more are made of several, so that data stay small


def by_hand(kind, workload, steps, device):
    """The hand-written side of ``kind``: ``"fit"``, ``"epochs"``, ``"call"``, ``"call_no_grad"`` or ``"predict"``."""
    import torch

    model = workload.by_hand().to(device)
    x, y = (each.to(device) for each in workload.torch_data(_rows(kind, workload, steps)))
    if kind in FED:
        loss, optimizer = workload.torch_loss(), torch.optim.Adam(model.parameters())
        feed, passes = FED[kind](x, y, workload.batch), _passes(steps)
        return lambda: _repeat(lambda: _train(model, loss, optimizer, feed, device), passes)
    if kind == "evaluate":
        loss = workload.torch_loss()
        return lambda: _judge(model.eval(), loss, _slices(x, y, workload.batch)(), device)
    if kind == "predict_rows":
        return lambda: _predict_rows(model.eval(), _slices(x, y, workload.batch)())
    if kind == "epochs":
        loss, optimizer = workload.torch_loss(), torch.optim.Adam(model.parameters())
        return lambda: _train_epochs(model, loss, optimizer, x, y, steps)
    if kind == "predict":
        rows = x.cpu().numpy()
        return lambda: _repeat(lambda: _predict(model, rows, device), steps)
    if workload.probabilities:
        model = torch.nn.Sequential(model, torch.nn.Softmax(-1))
    return _calls(kind, model.eval(), x, steps)


def in_keras(kind, workload, steps, device, keras):
    """The Keras side of ``kind``, with ``keras`` the module that answers to that name."""
    model = workload.in_keras(keras)
    rows = _rows(kind, workload, steps)
    x, y = workload.data(rows)
    if device != "cpu":
        import torch

        model.to(device)
        x, y = torch.from_numpy(x).to(device), torch.from_numpy(y).to(device)
    if kind in FED:
        fit = {"epochs": _passes(steps), "verbose": 0, "callbacks": workload.callbacks(keras)}
        fit |= _fed(kind, x, y, workload.batch)
        return lambda: model.fit(**fit)
    if kind == "evaluate":
        return lambda: model.evaluate(x, y, batch_size=workload.batch, verbose=0)
    if kind == "predict_rows":
        return lambda: model.predict(x, batch_size=workload.batch, verbose=0)
    if kind == "epochs":
        return lambda: model.fit(x, y, epochs=steps, verbose=0)
    if kind == "predict":
        return lambda: _repeat(lambda: model.predict(x, verbose=0), steps)
    import torch

    return _calls(kind, model, torch.as_tensor(x), steps)


def operation(name, op, steps, device, keras=None):
    """One operation again and again: torch's function, or that of ``keras.ops`` where ``keras`` is given."""
    function = op.function if keras is None else getattr(keras.ops, name)
    arguments = [_moved(argument, device) for argument in op.arguments]

    def run():
        for _ in range(steps):
            function(*arguments)

    return run


def optimizer_steps(step, steps, device, keras=None):
    """The form's name and the steps of one optimizer: torch's fastest, or that of ``keras`` where it is given."""
    form, once = step.best_by_hand(device) if keras is None else (None, step.in_keras(keras, device))
    return form, lambda: _repeat(once, steps)


def auc(steps, device, keras):
    """Updates of the metric AUC, 200 thresholds, with a million predictions."""
    import torch

    generator = torch.Generator().manual_seed(0)
    y_true = torch.randint(0, 2, (1_000_000,), generator=generator).to(device)
    y_pred = torch.rand(1_000_000, generator=generator).to(device)
    metric = keras.metrics.AUC()
    return lambda: _repeat(lambda: metric.update_state(y_true, y_pred), steps)


def _moved(argument, device):
    """Tensors, also in a list, on the device; the rest as it is."""
    if isinstance(argument, list):
        return [_moved(one, device) for one in argument]
    return argument.to(device) if hasattr(argument, "to") else argument


def timed(run, steps, device):
    """Milliseconds per step of one ``run``, the device's queue drained at both ends."""
    _drain(device)
    start = time.perf_counter()
    run()
    _drain(device)
    return (time.perf_counter() - start) * 1000 / steps


def import_cost(module):
    """``(ms, MiB)``: the wall time of ``import module`` in this fresh process, and its peak resident memory."""
    start = time.perf_counter()
    importlib.import_module(module)
    return (time.perf_counter() - start) * 1000, status("VmHWM")


def memory_growth(workload, steps, keras):
    """``(MiB, MiB)``: resident memory after a tenth of ``steps`` training steps, and after all of them."""
    model = workload.in_keras(keras)
    x, y = workload.data(steps // 50 * workload.batch)
    fit = {"batch_size": workload.batch, "verbose": 0}
    model.fit(x, y, epochs=5, **fit)
    early = status("VmRSS")
    model.fit(x, y, epochs=45, **fit)
    return early, status("VmRSS")


def _train(model, loss_function, optimizer, feed, device):
    """One epoch as a good torch user writes it: no value is read from the device before the end."""
    import torch

    model.train()
    total, rows = torch.zeros((), device=device), 0
    for x, y in feed():
        optimizer.zero_grad()
        loss = loss_function(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(x)
        rows += len(x)
    return total.item() / rows


def _judge(model, loss_function, batches, device):
    import torch

    total, rows = torch.zeros((), device=device), 0
    with torch.no_grad():
        for x, y in batches:
            total += loss_function(model(x), y) * len(x)
            rows += len(x)
    return total.item() / rows


def _predict_rows(model, batches):
    import torch

    with torch.no_grad():
        return torch.cat([model(x).softmax(-1) for x, _ in batches]).cpu().numpy()


def _slices(x, y, batch):
    """Batches in order, cut as the loop goes on."""
    return lambda: ((x[start : start + batch], y[start : start + batch]) for start in range(0, len(x), batch))


def _loader(x, y, batch):
    """torch's DataLoader, as most programs have it; the same for both sides."""
    import torch

    x, y = torch.as_tensor(x), torch.as_tensor(y)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=batch)
    return lambda: loader


def _endless(x, y, batch):
    """Batches again and again, as a program's own generator yields them."""
    while True:
        yield from _slices(x, y, batch)()


def _fed(kind, x, y, batch):
    """The arguments of `fit` that say what it is fed with."""
    if kind == "loader":
        return {"x": _loader(x, y, batch)()}
    if kind == "generator":
        return {"x": _endless(x, y, batch), "steps_per_epoch": len(x) // batch}
    return {"x": x, "y": y, "batch_size": batch, "shuffle": False}


FED = {"fit": _slices, "loader": _loader, "generator": _slices}  # a training by hand -> what feeds it


def _train_epochs(model, loss_function, optimizer, x, y, epochs):
    """Epochs of one batch, as in the first programs of many a course."""
    import torch

    model.train()
    history = []
    for _ in range(epochs):
        order = torch.randperm(len(x), device=x.device)
        optimizer.zero_grad()
        loss = loss_function(model(x[order]), y[order])
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    return history


def _predict(model, rows, device):
    import torch

    with torch.no_grad():
        return model(torch.from_numpy(rows).to(device)).softmax(-1).cpu().numpy()


def _calls(kind, model, x, steps):
    """``model(x)`` again and again, as a user writes it or inside ``torch.no_grad()``."""
    import torch

    def run():
        with torch.set_grad_enabled(kind == "call"):
            _repeat(lambda: model(x), steps)

    return run


def _repeat(function, times):
    for _ in range(times):
        function()


def _rows(kind, workload, steps):
    if kind in ("evaluate", "predict_rows"):
        return workload.batch * steps
    return workload.batch * (steps // _passes(steps) if kind in FED else 1)


def _passes(steps):
    """How many epochs make so many steps, of at most `MOST` each. Both sides run them all."""
    return -(-steps // MOST)


def _drain(device):
    if device != "cpu":
        import torch

        torch.cuda.synchronize()


def status(field):
    """A size in MiB from Linux's account of this process."""
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))
