"""The connection to one service: the official SDK's client, what it may be given, what comes back and what it raises.

The SDK owns authentication, addresses and connections. Its retries are off (`retry` has them), and so are its types:
what goes out and what comes back are bytes here. It bounds no whole answer either; who calls does.

Whatever goes wrong leaves as an error of ours; `hide_keys` is the last thing that is done with each of them.
"""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from code_generation.errors import AuthFailed, ConfigError, ProviderError
from code_generation.literals import shorten

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from code_generation.models import JsonValue

CLIENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "openai": ("AsyncOpenAI", {}),
    "anthropic": ("AsyncAnthropic", {"open_telemetry": False}),
}
CONNECTIONS = 100_000
"""More than any run has calls at a time: how many there may be is decided elsewhere."""
IDLE_S = 4.5
"""How long a connection is kept for the next call: uvicorn, under vLLM and others, closes it after 5 s."""
CONNECT_S = 10.0
LINGER_S = 0.25
"""How long the end of a stream is waited for after its last event, so that its connection can be used again."""
UNREAD = {"X-Stainless-Raw-Response": "stream"}
"""Makes the SDK give back a response whose body is not read yet."""
SHORTEST_SECRET = 8
"""Characters; shorter ones are no keys, and stand in other words."""
_ADDRESS = re.compile(r"https?://(\[[0-9a-fA-F:.]+\]|[^\s/@:\[\]?#]+)(:(?P<port>\d{1,5}))?(/[^\s@]*)?", re.IGNORECASE)
_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_SECRET = re.compile(r"key|auth|token|secret|cookie", re.IGNORECASE)


class Connection:
    """One service at one address, with one key. Made and used inside of one event loop."""

    def __init__(
        self, sdk: str, *, name: str, base_url: str | None, api_key: str, headers: Mapping[str, str] = {}
    ) -> None:
        """`sdk`: a row of `CLIENTS`; `name`: what messages call the service; `base_url` None: the SDK's own.

        Raises:
            ConfigError: the address, the key or a header can't be used.
        """
        check_address(name, base_url)
        check_key(name, api_key)
        check_headers(name, headers)
        self._secrets = [v for v in (api_key, *_secrets_in(headers)) if len(v) >= SHORTEST_SECRET]
        self._sdk: Any = import_module(sdk)
        self._status_error: type[Exception] = self._sdk.APIStatusError
        self._client, self._response_type = _open_client(sdk, self._sdk, name, base_url, api_key, headers)
        self._bare: Any = None
        self.address = str(self._client.base_url).rstrip("/")

    async def send(
        self,
        method: Literal["get", "post"],
        path: str,
        *,
        query: Mapping[str, JsonValue] | None = None,
        headers: Mapping[str, str] = {},
        **content: Any,
    ) -> Response:
        """Make a call, with whatever status it is answered. `content` is the SDK's: the bytes of `content`, or `body`
        and `files` of a form.

        Raises:
            ProviderError: there was no answer.
        """
        options: dict[str, Any] = {"headers": {**UNREAD, **headers}}
        if query is not None:
            options["params"] = dict(query)
        try:
            found = await getattr(self._client, method)(path, cast_to=self._response_type, options=options, **content)
        except self._status_error as e:
            found = e.response  # type: ignore[attr-defined]
        except Exception as e:  # noqa: BLE001 - the SDK, its backend and TLS raise errors of five families
            raise translate_failure(e, self.address, reading=False) from None
        return Response(found, self.address)

    async def fetch(self, url: str) -> Response:
        """What lies at another address, where the key does not go.

        Raises:
            ProviderError: there was no answer.
        """
        if self._bare is None:
            self._bare = self._sdk.DefaultAioHttpClient(timeout=self._client.timeout)
        try:
            found = await self._bare.send(self._bare.build_request("GET", url), stream=True)
        except Exception as e:  # noqa: BLE001 - see `send`
            raise translate_failure(e, self.address, reading=False) from None
        return Response(found, self.address)

    def timed_out(self, seconds: float) -> ProviderError:
        """The error for an answer that takes too long; it may have been made all the same."""
        return ProviderError(f"{self.address} gave no answer within {seconds:g} s", kind="timeout")

    def masked(self, text: str) -> str:
        """A text without keys, nor the start of one that was cut."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
            if secret[:SHORTEST_SECRET] in text:
                text = re.sub(re.escape(secret[:SHORTEST_SECRET]) + r"[\w.*-]*", "***", text)
        return text

    def hide_keys(self, error: ProviderError) -> None:
        """Mask what the message of an error shows."""
        error.args = (self.masked(str(error)),)

    async def close(self) -> None:
        """Close everything; calls that are under way fail."""
        await self._client.close()
        if self._bare is not None:
            await self._bare.aclose()


class Response:
    """What a call is answered with; its body is read as it comes."""

    def __init__(self, response: Any, address: str) -> None:
        self._response, self._address = response, address
        self.status: int = response.status_code
        self.headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in response.headers.raw}
        """By lower-case names."""
        self._blocks = self._unpacked()

    def _unpacked(self) -> AsyncGenerator[bytes, None]:
        if self._response.is_closed:  # an error, which the SDK has read
            return _once(self._response.content)
        found: AsyncGenerator[bytes, None] = (
            self._response.aiter_bytes()
            if "content-encoding" in self.headers
            else aiter(self._response.stream)  # a tenth cheaper
        )
        return found

    async def next_block(self) -> bytes:
        """The next bytes of the body; none at its end.

        Raises:
            ProviderError: it broke off.
        """
        try:
            async for block in self._blocks:
                if block:
                    return block
        except Exception as e:  # noqa: BLE001 - see `Connection.send`
            raise translate_failure(e, self._address, reading=True) from None
        return b""

    async def whole(self) -> bytes:
        """The rest of the body.

        Raises:
            ProviderError: it broke off.
        """
        try:
            return b"".join([block async for block in self._blocks])
        except Exception as e:  # noqa: BLE001 - see `Connection.send`
            raise translate_failure(e, self._address, reading=True) from None

    async def wait_for_end(self) -> None:
        """Let the last bytes of a stream come in, that its connection can be used again."""
        with suppress(Exception):
            async with asyncio.timeout(LINGER_S):
                async for _ in self._blocks:
                    pass

    async def release(self) -> None:
        """Give back the connection, or close it where something is left unread."""
        with suppress(Exception):
            await self._blocks.aclose()
            await self._response.aclose()


async def _once(raw: bytes) -> AsyncGenerator[bytes, None]:
    yield raw


def _open_client(
    kind: str, sdk: Any, name: str, base_url: str | None, api_key: str, headers: Mapping[str, str]
) -> tuple[Any, type[Any]]:
    """The SDK's client and the type of its responses."""
    import httpx2  # noqa: PLC0415 - comes with the SDKs

    limits = httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=IDLE_S)
    client_type, options = CLIENTS[kind]
    try:
        client = getattr(sdk, client_type)(
            api_key=api_key,
            base_url=base_url,
            default_headers=dict(headers),
            max_retries=0,
            timeout=httpx2.Timeout(None, connect=CONNECT_S, pool=2 * CONNECT_S),
            # an address that sends elsewhere is a mistake, and the key must not follow
            http_client=sdk.DefaultAioHttpClient(limits=limits, follow_redirects=False),
            **options,
        )
    except (ValueError, httpx2.InvalidURL) as e:  # a port of 99999, a proxy of the environment
        msg = f"calls to {name} can't be made, check its address and the proxies of the environment: {e}"
        raise ConfigError(msg) from None
    return client, httpx2.Response


def check_address(name: str, base_url: str | None) -> None:
    """Refuse an address that can't be called, and one that holds a password; None is the SDK's own.

    Raises:
        ConfigError: it does not show the password.
    """
    found = _ADDRESS.fullmatch(base_url or "http://default")
    if not found or int(found["port"] or 0) >= 1 << 16:
        shown = re.sub(r"//.*@", "//***@", base_url or "")
        msg = f"the address of {name} can't be called, expected one like http://127.0.0.1:8000/v1: {shown!r}"
        raise ConfigError(msg)


def check_key(name: str, key: str) -> None:
    """Refuse what can't be a key.

    Raises:
        ConfigError: it does not show the key.
    """
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        msg = f"the key of {name} is empty or holds a character that no key has (a space, a line break); set it anew"
        raise ConfigError(msg)


def check_headers(name: str, headers: Mapping[str, str]) -> None:
    """Refuse headers that can't be sent.

    Raises:
        ConfigError: it does not show the value.
    """
    for header, value in headers.items():
        if not _NAME.fullmatch(header) or not (value.isascii() and value.isprintable()):
            msg = f"the header {header!r} of {name} can't be sent: line breaks and letters beyond ASCII are not allowed"
            raise ConfigError(msg)


def _secrets_in(headers: Mapping[str, str]) -> list[str]:
    """Values of headers that are keys."""
    return [value.removeprefix("Bearer ") for header, value in headers.items() if _SECRET.search(header)]


def translate_failure(error: Exception, address: str, *, reading: bool) -> ProviderError:
    """Our error for one of the SDK, its backend or TLS, by what lies at its root; `reading`: the answer had begun."""
    import aiohttp  # noqa: PLC0415 - it was imported for the call

    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__) is not None:
        chain.append(cause)
    root = chain[-1]
    if isinstance(root, ConnectionError | TimeoutError) and root.errno:
        reason = os.strerror(root.errno)  # asyncio's own words are "Connect call failed ('127.0.0.1', 9)"
    else:
        reason = " ".join(str(root).split()).removeprefix("400, message: ") or type(root).__name__
    reason = shorten(reason, 300)
    if reading:
        return ProviderError(f"{address} broke off its answer before the end: {reason}", kind="truncated")
    if any(isinstance(e, aiohttp.ClientConnectorError) for e in chain):
        return ProviderError(f"{address} can't be reached: {reason}", kind="unreachable", unbilled=True)
    if any(isinstance(e, aiohttp.ConnectionTimeoutError) for e in chain):  # a plain TimeoutError may come later on
        msg = f"{address} can't be reached: no connection within {CONNECT_S:g} s"
        return ProviderError(msg, kind="unreachable", unbilled=True)
    if any(isinstance(e, aiohttp.InvalidURL | UnicodeError) for e in chain):
        return AuthFailed(f"{address} can't be called: {reason} (check the address)", unbilled=True)
    return ProviderError(f"{address} gave no answer: {reason}", kind="connection")
