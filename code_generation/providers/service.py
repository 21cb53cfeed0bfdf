"""One model of one endpoint, over the official SDK of its dialect.

The SDK owns authentication, addresses and connections. Its retries are off (`retry` has them), and so are its types:
the body that a dialect builds goes out as it is, and what comes back is read here, streamed or whole, since compatible
services leave out or add fields. Its timeout starts anew with every byte; the one here bounds a whole answer.

Whatever goes wrong below leaves as an error of ours, and none of them shows the key.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from code_generation.errors import AuthFailed, ConfigError, ProviderError, RequestRejected
from code_generation.jsonl import decode, encode
from code_generation.literals import shorten
from code_generation.providers.dialect import Answer
from code_generation.providers.faults import read_complaint, refusal_of, status_inside, translate
from code_generation.providers.parameters import Parameters
from code_generation.providers.sse import EventParser

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from code_generation.models import JsonValue, Request
    from code_generation.providers.dialect import Dialect, Events, Wire

CLIENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "openai": ("AsyncOpenAI", {}),
    "anthropic": ("AsyncAnthropic", {"open_telemetry": False}),
}
NEEDED = {"openai": (), "anthropic": ("max_tokens",)}
"""Parameters without which a dialect has no question."""
CONNECTIONS = 100_000
"""More than any run has calls at a time: how many there may be is decided elsewhere."""
IDLE_S = 4.5
"""How long a connection is kept for the next call: uvicorn, under vLLM and others, closes it after 5 s."""
CONNECT_S = 10.0
LINGER_S = 0.25
"""How long the end of a stream is waited for after its last event, so that its connection can be used again."""
ADAPTATIONS = 8
"""Times that one question is asked again without or with another parameter."""
UNREAD = {"headers": {"X-Stainless-Raw-Response": "stream"}}
"""Makes the SDK give back a response whose body is not read yet."""
_ADDRESS = re.compile(r"https?://(\[[0-9a-fA-F:.]+\]|[^\s/@:\[\]?#]+)(:(?P<port>\d{1,5}))?(/[^\s@]*)?", re.IGNORECASE)
SHORTEST_SECRET = 8
"""Characters; shorter ones are no keys, and stand in other words."""


class Service:
    """Asks one model. Made and used inside of one event loop."""

    def __init__(
        self,
        dialect: Dialect,
        wire: Wire,
        *,
        name: str,
        base_url: str | None,
        api_key: str,
        headers: Mapping[str, str] = {},
        timeout_s: float = 600.0,
        on_change: Callable[[str, str], None] | None = None,
    ) -> None:
        """`base_url` None: the SDK's own; `timeout_s` bounds one whole answer; `on_change` is told once of each
        parameter that the model does not take, with what becomes of it.

        Raises:
            ConfigError: the address, the key or a header can't be used.
        """
        self.name, self.model = name, wire.model
        self.dialect, self.wire, self._timeout_s = dialect, wire, timeout_s
        self._secrets = [v for v in (api_key, *_secret(headers)) if len(v) >= SHORTEST_SECRET]
        self._parameters = Parameters(needed=NEEDED[dialect.sdk], on_change=on_change)
        _check_address(name, base_url)
        _check_key(name, api_key)
        _check_headers(name, headers)
        sdk: Any = import_module(dialect.sdk)
        self._status_error: type[Exception] = sdk.APIStatusError
        self._client, self._response_type = _open_client(dialect.sdk, sdk, name, base_url, api_key, headers)
        self.address = str(self._client.base_url).rstrip("/")

    async def ask(self, request: Request, keep: Callable[[Answer], None] | None = None) -> Answer:
        """One question, one answer; a refusal by an error is an answer with its status. `keep` gets the answer in the
        moment it is whole, before anything else is waited for.

        Raises:
            ProviderError: there was none, see `errors`.
        """
        body = self.dialect.build_body(request, self.wire)
        tries = 0
        while True:
            sent, changed = self._parameters.apply(body)
            try:
                return await self._call(sent, changed, keep)
            except RequestRejected as error:
                tries += 1
                error.args = (self._masked(str(error)),)
                if tries > ADAPTATIONS or self._parameters.adapt(error, sent) is None:
                    raise
            except ProviderError as error:
                error.args = (self._masked(str(error)),)
                raise

    def whole_body(self, request: Request) -> tuple[dict[str, JsonValue], dict[str, str]]:
        """The body of a call that is not streamed, as the model takes it, and what was changed for that."""
        return self._parameters.apply(self.dialect.build_body(request, replace(self.wire, stream=False)))

    def learn(self, error: RequestRejected, body: dict[str, JsonValue]) -> bool:
        """Whether asking again with another `whole_body` may help, after this one was rejected."""
        return self._parameters.adapt(error, body) is not None

    async def close(self) -> None:
        """Close the connections; calls that are under way fail."""
        await self._client.close()

    async def _call(
        self, body: dict[str, JsonValue], changed: dict[str, str], keep: Callable[[Answer], None] | None
    ) -> Answer:
        content = encode(body).encode("ascii")
        headers: dict[str, str] = {}
        started = time.monotonic()
        blocks: AsyncGenerator[bytes, None] | None = None
        response: Any = None
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._post(content)
                headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in response.headers.raw}
                blocks = _blocks_of(response, headers)
                status, answered = await self._read(response.status_code, headers, blocks)
            answer = Answer(
                dialect=self.dialect.name,
                model=self.model,
                body=answered,
                latency_s=time.monotonic() - started,
                status=status,
                request_id=headers.get("x-request-id") or headers.get("request-id"),
                changed=changed,
                headers=headers,
            )
            if keep is not None:
                keep(answer)
            await _wait_for_end(blocks)
        except TimeoutError:
            msg = f"{self.address} gave no answer within {self._timeout_s:g} s"
            raise ProviderError(msg, kind="timeout") from None
        finally:
            await _release(response, blocks)
        return answer

    async def _post(self, content: bytes) -> Any:
        """The response to a body, itself not read yet; of an error it is."""
        path, wanted = self.dialect.path, self._response_type
        try:
            return await self._client.post(path, cast_to=wanted, content=content, options=UNREAD)
        except self._status_error as e:
            return e.response  # type: ignore[attr-defined]
        except Exception as e:  # noqa: BLE001 - the SDK, its backend and TLS raise errors of five families
            raise _broken(e, self.address, reading=False) from None

    async def _read(
        self, status: int, headers: dict[str, str], blocks: AsyncGenerator[bytes, None]
    ) -> tuple[int, JsonValue]:
        """Status and object of an answer.

        Raises:
            ProviderError: it is none.
        """
        if not 200 <= status < 300:  # noqa: PLR2004
            return self._refusal(status, await self._read_whole(blocks), headers)
        if headers.get("content-type", "").startswith("text/event-stream"):
            return self._checked(await self._read_events(blocks), headers)
        raw = await self._read_whole(blocks)
        if raw.lstrip().startswith((b"data:", b"event:")):
            return self._checked(await self._read_events(_once(raw)), headers)
        try:
            body = decode(raw)
        except ValueError:
            raise self._no_json(raw) from None
        return self._checked(body, headers)

    async def _read_whole(self, blocks: AsyncGenerator[bytes, None]) -> bytes:
        try:
            return b"".join([block async for block in blocks])
        except Exception as e:  # noqa: BLE001 - see `_post`
            raise _broken(e, self.address, reading=True) from None

    async def _read_events(self, blocks: AsyncGenerator[bytes, None]) -> JsonValue:
        """The object that the events of a stream make; what comes after the last is left unread."""
        parser, events = EventParser(), self.dialect.open_events()
        while True:
            try:
                block = await blocks.__anext__()
            except StopAsyncIteration:
                break
            except Exception as e:  # noqa: BLE001 - see `_post`
                raise _broken(e, self.address, reading=True) from None
            if _add(events, parser.feed(block)):
                return events.body()
        with suppress(ProviderError):  # half an event
            if _add(events, parser.feed(b"\n\n")):
                return events.body()
        msg = f"{self.address} broke off its answer before the end"
        raise ProviderError(msg, kind="truncated")

    def _checked(self, body: JsonValue, headers: Mapping[str, str]) -> tuple[int, JsonValue]:
        """An answer that came with status 200; some services report errors in its place."""
        if self.dialect.is_answer(body):
            return 200, body
        status = status_inside(body)
        if status is not None:
            return self._refusal(status, encode(body).encode("ascii"), headers)
        msg = f"{self.address} answered with something that is no answer: {shorten(encode(body), 200)}"
        raise ProviderError(msg, kind="garbled", headers=headers)

    def _refusal(self, status: int, raw: bytes, headers: Mapping[str, str]) -> tuple[int, JsonValue]:
        """Status and body of a refusal by the model.

        Raises:
            ProviderError: it is another error.
        """
        raw = self._masked(raw.decode("utf-8", "replace")).encode("utf-8", "replace")
        if refusal_of(status, raw) is None:
            raise translate(status, raw, headers, address=self.address, model=self.model)
        try:
            return status, decode(raw)
        except ValueError:
            return status, {"error": {"message": raw.decode("utf-8", "replace")}}

    def _no_json(self, raw: bytes) -> ProviderError:
        text = raw.strip()
        if not text:
            return ProviderError(f"{self.address} answered nothing at all", kind="empty")
        seen = shorten(self._masked(read_complaint(raw).message), 200)
        if text.startswith((b"{", b"[")) and not text.endswith((b"}", b"]")):
            return ProviderError(f"{self.address} broke off its answer before the end: {seen}", kind="truncated")
        msg = f"{self.address} answered 200 with something that is no JSON: {seen!r} (is the address right?)"
        return ProviderError(msg, kind="garbled")

    def _masked(self, text: str) -> str:
        """A text without keys, nor the start of one that was cut."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
            if secret[:SHORTEST_SECRET] in text:
                text = re.sub(re.escape(secret[:SHORTEST_SECRET]) + r"[\w.*-]*", "***", text)
        return text


def _add(events: Events, found: list[tuple[str, str]]) -> bool:
    """Add events up to the last one of an answer; whether that has come."""
    for name, data in found:
        events.add(name, data)
        if events.ended:
            return True
    return False


def _blocks_of(response: Any, headers: dict[str, str]) -> AsyncGenerator[bytes, None]:
    """The body as it comes, unpacked."""
    if response.is_closed:  # an error, which the SDK has read
        return _once(response.content)
    found: AsyncGenerator[bytes, None] = (
        response.aiter_bytes() if "content-encoding" in headers else aiter(response.stream)  # a tenth cheaper
    )
    return found


async def _once(raw: bytes) -> AsyncGenerator[bytes, None]:
    yield raw


async def _wait_for_end(blocks: AsyncGenerator[bytes, None]) -> None:
    """Let the last bytes of a stream come in, that its connection can be used again; the answer is there already."""
    with suppress(Exception):
        async with asyncio.timeout(LINGER_S):
            async for _ in blocks:
                pass


async def _release(response: Any, blocks: AsyncGenerator[bytes, None] | None) -> None:
    """Give back the connection of a response, or close it where something is left unread."""
    with suppress(Exception):
        if blocks is not None:
            await blocks.aclose()
        if response is not None:
            await response.aclose()


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


def _check_address(name: str, base_url: str | None) -> None:
    found = _ADDRESS.fullmatch(base_url or "http://default")
    if not found or int(found["port"] or 0) >= 1 << 16:
        shown = re.sub(r"//.*@", "//***@", base_url or "")
        msg = f"the address of {name} can't be called, expected one like http://127.0.0.1:8000/v1: {shown!r}"
        raise ConfigError(msg)


def _check_key(name: str, key: str) -> None:
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        msg = f"the key of {name} is empty or holds a character that no key has (a space, a line break); set it anew"
        raise ConfigError(msg)


def _check_headers(name: str, headers: Mapping[str, str]) -> None:
    for header, value in headers.items():
        if not re.fullmatch(r"[\w!#$%&'*+.^`|~-]+", header, re.ASCII) or not (value.isascii() and value.isprintable()):
            msg = f"the header {header!r} of {name} can't be sent: line breaks and letters beyond ASCII are not allowed"
            raise ConfigError(msg)


def _secret(headers: Mapping[str, str]) -> list[str]:
    """Values of headers that are keys."""
    sign = re.compile(r"key|auth|token|secret|cookie", re.IGNORECASE)
    return [value.removeprefix("Bearer ") for header, value in headers.items() if sign.search(header)]


def _broken(error: Exception, address: str, *, reading: bool) -> ProviderError:
    """Our error for one of the SDK, its backend or TLS, by what lies at its root."""
    import aiohttp  # noqa: PLC0415 - it was imported for the call

    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__) is not None:
        chain.append(cause)
    root = chain[-1]
    if isinstance(root, ConnectionError) and root.errno:
        reason = os.strerror(root.errno)  # asyncio's own words are "Connect call failed ('127.0.0.1', 9)"
    else:
        reason = " ".join(str(root).split()).removeprefix("400, message: ") or type(root).__name__
    reason = shorten(reason, 300)
    if reading:
        return ProviderError(f"{address} broke off its answer before the end: {reason}", kind="truncated")
    if any(isinstance(e, aiohttp.ClientConnectorError) for e in chain):
        return ProviderError(f"{address} can't be reached: {reason}", kind="unreachable")
    if any(isinstance(e, TimeoutError) for e in chain):
        return ProviderError(f"{address} can't be reached: no connection within {CONNECT_S:g} s", kind="unreachable")
    if any(isinstance(e, aiohttp.InvalidURL | UnicodeError) for e in chain):
        return AuthFailed(f"{address} can't be called: {reason} (check the address)")
    return ProviderError(f"{address} gave no answer: {reason}", kind="connection")
