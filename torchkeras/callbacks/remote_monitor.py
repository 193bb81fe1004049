"""RemoteMonitor: sends the results of each epoch to a server.

Imports the callback base. Uses Python's own client: Keras needs `requests`, for a single POST.
"""

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
import warnings

import numpy as np

from torchkeras.callbacks.callback import Callback


class RemoteMonitor(Callback):
    """After each epoch sends its number and logs to a server, as JSON by HTTP POST.

    Args:
        root: address of the server.
        path: what follows the address.
        field: name of the form's field that holds the JSON; not used with `send_as_json`.
        headers: dict of further HTTP headers.
        send_as_json: send the JSON itself, as `application/json`, instead of a form.

    A server that is not reached gives a warning, and the training goes on; so do values that JSON has no form for. What
    the server answers does not matter.

    Example:
        >>> monitor = RemoteMonitor("http://localhost:9000", send_as_json=True)
    """

    def __init__(
        self,
        root="http://localhost:9000",
        path="/publish/epoch/end/",
        field="data",
        headers=None,
        send_as_json=False,
    ):
        super().__init__()
        self.root = root
        self.path = path
        self.field = field
        self.headers = headers
        self.send_as_json = send_as_json

    def on_epoch_end(self, epoch, logs=None):
        values = {"epoch": epoch, **{name: _plain(value) for name, value in (logs or {}).items()}}
        try:
            _post(self._request(values))
        except (OSError, ValueError, http.client.HTTPException) as error:
            warnings.warn(f"RemoteMonitor could not reach the server at {self.root}: {error}", stacklevel=2)

    def _request(self, values):
        """Raises `ValueError` for an address without a protocol, and for NaN, which JSON has not."""
        if self.send_as_json:
            kind, body = "application/json", json.dumps(values, allow_nan=False)
        else:
            kind, body = "application/x-www-form-urlencoded", urllib.parse.urlencode({self.field: json.dumps(values)})
        headers = {"Content-Type": kind, **(self.headers or {})}
        return urllib.request.Request(self.root + self.path, body.encode(), headers)


def _post(request):
    if request.type not in ("http", "https"):
        raise ValueError(f"the address is one of {request.type!r}, not of http or https")
    try:
        urllib.request.urlopen(request).close()
    except urllib.error.HTTPError as answer:  # the server was reached
        answer.close()


def _plain(value):
    """Arrays as numbers and lists."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.item() if value.size == 1 else value.tolist()
    return value
