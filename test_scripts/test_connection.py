"""The connection to a service: what it may be given, what its failures mean, and that no message shows a key."""

from __future__ import annotations

import asyncio
import errno
import json
from itertools import pairwise

import aiohttp
import openai
import pytest

from code_generation.errors import AuthFailed, ConfigError, ProviderError
from code_generation.providers.connection import Connection, check_address, check_headers, check_key, translate_failure

KEY = "sk-proj-0123456789abcdef"
HOST = aiohttp.client_reqrep.ConnectionKey("h", 80, False, True, None, None, None)


def raised(*errors: BaseException) -> Exception:
    """The last of some errors, each caused by the one before."""
    for cause, error in pairwise(errors):
        error.__cause__ = cause
    return errors[-1]


def connector_error(root: OSError) -> aiohttp.ClientConnectorError:
    return aiohttp.ClientConnectorError(HOST, root)


REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 9)")
FAILURES = {
    # name -> errors from the root on, kind, whether it is surely not billed, what is said
    "refused": ([REFUSED, connector_error(REFUSED)], "unreachable", True, "can't be reached: Connection refused"),
    "no host": (
        [OSError("Name unknown"), aiohttp.ClientConnectorDNSError(HOST, OSError("Name unknown"))],
        "unreachable", True, "can't be reached: Name unknown",
    ),
    "no route": (
        [OSError(errno.EHOSTUNREACH, "x"), connector_error(OSError(errno.EHOSTUNREACH, "x"))],
        "unreachable", True, "can't be reached: [Errno 113] x",
    ),
    "never accepted": (
        [aiohttp.ConnectionTimeoutError("Connection timeout to host h")], "unreachable", True, "no connection within",
    ),
    "address": ([aiohttp.InvalidURL("http://h:x")], "refused_access", True, "check the address"),
    "closed": ([aiohttp.ServerDisconnectedError()], "connection", False, "gave no answer: Server disconnected"),
    "reset": (
        [ConnectionResetError(errno.ECONNRESET, "x"), aiohttp.ClientOSError(errno.ECONNRESET, "x")],
        "connection", False, "gave no answer: Connection reset by peer",
    ),
    "silent for so long that the system gives up": (
        [TimeoutError(errno.ETIMEDOUT, "x"), aiohttp.ClientOSError(errno.ETIMEDOUT, "x")],
        "connection", False, "gave no answer: Connection timed out",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("errors", "kind", "unbilled", "said"), FAILURES.values(), ids=FAILURES)
def test_what_a_failure_means(errors, kind, unbilled, said):
    """A connection that never was costs nothing; one that broke after the question went out may have been billed. Once
    the answer has begun every failure is a truncated answer.
    """
    error = raised(*errors, openai.APIConnectionError(request=None))
    found = translate_failure(error, "http://h/v1", reading=False)
    assert (found.kind, found.unbilled, isinstance(found, AuthFailed)) == (kind, unbilled, kind == "refused_access")
    assert str(found).startswith("http://h/v1 ") and said in str(found)
    found = translate_failure(error, "http://h/v1", reading=True)
    assert (found.kind, found.unbilled) == ("truncated", False)


@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_messages_show_no_key(sdk):
    """Neither the key nor a header that is one, whole or cut; other words stay as they are."""

    async def run():
        connection = Connection(
            sdk,
            name="here",
            base_url="http://h/v1",
            api_key=KEY,
            headers={"x-api-token": "Bearer tok-12345678", "x": "y"},
        )
        shown = connection.masked(json.dumps([KEY, KEY[:-3], "tok-12345678", "y", "short sk-proj"]))
        error = ProviderError(f"bad: {KEY}", kind="x")
        connection.hide_keys(error)
        await connection.close()
        return shown, error

    shown, error = asyncio.run(run())
    assert json.loads(shown) == ["***", "***", "***", "y", "short sk-proj"]
    assert (str(error), error.kind) == ("bad: ***", "x")


@pytest.mark.parametrize(
    "address", [None, "http://h", "https://h:8000/v1/", "http://[::1]:1/v1", "HTTP://127.0.0.1:65535/a?b"]
)
def test_addresses_that_can_be_called(address):
    """Host and port of any kind, with a path or without; none is the SDK's own."""
    check_address("here", address)


@pytest.mark.parametrize(
    "check",
    [
        lambda: check_address("here", f"https://u:{KEY}@h/v1"),
        lambda: check_address("here", "http://h:65536/v1"),
        lambda: check_key("here", f"{KEY}\n"),
        lambda: check_headers("here", {"x-team": f"{KEY}\r\nx: y"}),
    ],
)
def test_what_is_refused_is_not_shown(check):
    """One line that names the service."""
    with pytest.raises(ConfigError, match="here") as error:
        check()
    assert KEY not in str(error.value) and "\n" not in str(error.value)
