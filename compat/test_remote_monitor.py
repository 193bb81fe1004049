"""RemoteMonitor beside Keras's, in front of a server that writes down what it gets."""

import http.server
import json
import threading
import urllib.parse
import warnings

import numpy as np
import pytest

import torchkeras
from compat.callback_cases import MODELS, data
from compat.curves import run_both, seed_weights


class Server:
    """A server that answers every POST with a status, and remembers path, headers of interest and body."""

    def __init__(self, status=200):
        self.got = got = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                kind = self.headers["Content-Type"]
                fields = json.loads(body) if kind == "application/json" else urllib.parse.parse_qs(body)
                got.append((self.path, kind, self.headers["X-Mine"], unpacked(fields)))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *args):
                pass

        self._server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.root = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def unpacked(fields):
    """The JSON in the fields of a form as values."""
    return {name: json.loads(value[0]) if isinstance(value, list) else value for name, value in fields.items()}


CASES = {
    "plain": {},
    "another path": {"path": "/here"},
    "another field": {"field": "epoch results"},
    "headers": {"headers": {"X-Mine": "yes"}},
    "as json": {"send_as_json": True},
    "as json, with headers": {"send_as_json": True, "headers": {"X-Mine": "yes"}, "path": "/here?a=b"},
    "an error": {"status": 500},
    "an unknown page": {"status": 404, "send_as_json": True},
    "another kind of content": {"headers": {"Content-Type": "application/x-www-form-urlencoded"}},
}


@pytest.mark.parametrize("case", CASES)
def test_server_gets_what_keras_sends(case):
    arguments = dict(CASES[case])
    status = arguments.pop("status", 200)

    def scenario(k):
        with Server(status) as server, warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            model, (x, y) = seed_weights(MODELS["plain"](k)), data("plain")
            monitor = k.callbacks.RemoteMonitor(server.root, **arguments)
            model.fit(x, y, epochs=2, validation_split=0.25, shuffle=False, verbose=0, callbacks=[monitor])
        return server.got

    assert len(run_both(scenario)) == 2


@pytest.mark.parametrize(
    "arguments, logs",
    [
        ({"root": "http://127.0.0.1:1"}, {"loss": 1.0}),
        ({"root": "nowhere"}, {"loss": 1.0}),
        ({"root": "ftp://127.0.0.1"}, {"loss": 1.0}),
        ({"send_as_json": True}, {"loss": float("nan")}),
    ],
    ids=["no server", "no address", "another protocol", "no json"],
)
def test_what_cannot_be_sent_is_a_warning(arguments, logs):
    def scenario(k):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            k.callbacks.RemoteMonitor(**arguments).on_epoch_end(0, logs)
        return [warning.category.__name__ for warning in caught]

    assert run_both(scenario) == ["UserWarning"]


def test_numbers_of_numpy():
    def scenario(k):
        with Server() as server:
            monitor = k.callbacks.RemoteMonitor(server.root, send_as_json=True)
            monitor.on_epoch_end(np.array(3).item(), {"a": np.float32(0.5), "b": np.array([1.5]), "c": 2, "d": "text"})
        return server.got

    assert run_both(scenario)[0][3] == {"epoch": 3, "a": 0.5, "b": 1.5, "c": 2, "d": "text"}


def test_several_numbers_are_a_list():
    with Server() as server:
        torchkeras.callbacks.RemoteMonitor(server.root).on_epoch_end(0, {"f1": np.array([0.5, 1.0])})
    assert server.got[0][3] == {"data": {"epoch": 0, "f1": [0.5, 1.0]}}
