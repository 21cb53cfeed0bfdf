"""The calls that batch APIs are made of, over the official SDK's client: small ones with a JSON object in and out,
uploads that are read from a file while they are sent, downloads that are read line by line while they come.

As in `service`, the SDK owns authentication, addresses and connections; its types and its retries are off.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urljoin

from code_generation.errors import AuthFailed, ContextOverflow, ProviderError, RequestRejected
from code_generation.jsonl import decode, encode
from code_generation.literals import shorten
from code_generation.providers.batch_apis import BatchLine, BatchLost
from code_generation.providers.endpoints import DIALECTS
from code_generation.providers.faults import read_complaint, refusal_of, status_inside, translate
from code_generation.providers.service import (
    SHORTEST_SECRET,
    UNREAD,
    _blocks_of,
    _broken,
    _check_headers,
    _check_key,
    _open_client,
    _release,
    _secret,
)
from code_generation.tables import resolve

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

    from code_generation.models import JsonValue
    from code_generation.providers.endpoints import ModelChoice

BLOCK = 1 << 16
SLOWEST = 100_000
"""Bytes a second of the slowest upload that is waited for."""
OK = range(200, 300)
NOT_THERE = {404, 410}
CONFLICT = 409
MOVED = {301, 302, 303, 307, 308}
LEAST_ERROR, BROKEN = 400, 500


class Calls:
    """The calls of one service. Made and used inside of one event loop."""

    def __init__(self, choice: ModelChoice, *, timeout_s: float) -> None:
        """`timeout_s` bounds a small call, and how long a download may stand still.

        Raises:
            ConfigError: the address, the key or a header can't be used.
        """
        assert choice.endpoint is not None  # noqa: S101 - for the type checker; offline models have no batches
        self.dialect: Any = resolve("dialect", choice.endpoint.dialect, DIALECTS)
        self.model = choice.model
        self._timeout_s = timeout_s
        self._secrets = [v for v in (choice.api_key, *_secret(choice.headers)) if len(v) >= SHORTEST_SECRET]
        _check_key(choice.provider, choice.api_key)
        _check_headers(choice.provider, choice.headers)
        kind = self.dialect.sdk
        self._sdk: Any = import_module(kind)
        self._other: Any = None
        self._status_error: type[Exception] = self._sdk.APIStatusError
        self._client, self._response_type = _open_client(
            kind, self._sdk, choice.provider, choice.endpoint.base_url, choice.api_key, choice.headers
        )
        self.address = re.sub(r"//[^/@]*@", "//", str(self._client.base_url)).rstrip("/")

    async def get(self, path: str, *, about: str = "", query: Mapping[str, JsonValue] | None = None) -> Any:
        """The JSON value at a path; `about` is what the path is the name of, `batch batch_1`.

        Raises:
            BatchLost: it is not there. ProviderError: see `errors`.
        """
        return await self._small(self._client.get, path, about, options={"params": dict(query or {})})

    async def pages(
        self, path: str, query: Mapping[str, JsonValue], after: str
    ) -> AsyncGenerator[list[dict[str, Any]], None]:
        """The pages of a list, none of them empty; `after` is the parameter that the last id of a page goes into."""
        query, seen = dict(query), set()
        while True:
            page = await self.get(path, query=query)
            found = [e for e in entries_of(page) if e["id"] not in seen]
            if found:
                yield found
            if not found or not isinstance(page, dict) or not page.get("has_more"):
                return
            seen |= {e["id"] for e in found}
            query[after] = found[-1]["id"]

    async def post(self, path: str, body: JsonValue = None, *, about: str = "") -> Any:
        """What a small body, or none, is answered with."""
        sent = {} if body is None else {"content": encode(body).encode("ascii")}
        return await self._small(self._client.post, path, about, **sent)

    async def upload(
        self, path: str, file: IO[bytes], size: int, *, name: str = "", fields: Mapping[str, str] | None = None
    ) -> Any:
        """Send a file: as a form's, beside its fields, or, where there are none, as the whole body.

        Returns the JSON value that it is answered with.
        """
        seconds = self._timeout_s + size / SLOWEST
        headers = {**UNREAD["headers"]}
        sent: dict[str, Any]
        if fields is None:
            headers |= {"Content-Type": "application/json", "Content-Length": str(size)}
            sent = {"content": _Body(file)}
        else:
            headers |= {"Content-Type": "multipart/form-data"}
            sent = {"body": dict(fields), "files": {"file": (name, file, "application/jsonl")}}
        async with self._open(self._client.post, path, seconds, options={"headers": headers}, **sent) as found:
            status, answered, blocks = found
            raw = await self._whole(blocks)
            if status in OK:
                return self._value(raw)
            if status == CONFLICT and isinstance(there := _object(raw).get("file_id"), str):
                return {"id": there}  # Together has a file with the same content already
            raise self._error(status, raw, answered, "")

    async def lines(self, path: str, *, about: str, size: int = 0) -> AsyncGenerator[bytes, None]:
        """The lines of a file of at least `size` bytes, each once it is whole.

        Raises:
            BatchLost: there is no such file. ProviderError: kind `truncated` where it breaks off, be it in good order.
        """
        async with self._download(path, about) as blocks:
            rest, came = bytearray(), 0
            while block := await self._next(blocks):
                came += len(block)
                rest += block
                if b"\n" in block:
                    *whole, last = bytes(rest).split(b"\n")
                    rest = bytearray(last)
                    for line in filter(bytes.strip, whole):
                        yield line
            all_came, rest = 0 < size <= came, rest.strip()
            if rest and (all_came or _object(bytes(rest))):
                yield bytes(rest)
            elif rest:
                size = came + 1
        if came < size:
            msg = f"{self.address} broke off the {about} after {came} bytes"
            raise ProviderError(msg, kind="truncated")

    async def close(self) -> None:
        """Close the connections; calls that are under way fail."""
        await self._client.close()
        if self._other is not None:
            await self._other.aclose()

    def line_of(self, custom_id: str, status: int, body: JsonValue, request_id: str | None = None) -> BatchLine:
        """A line that was answered, or that the service itself refused: judged as the answer to an online call is."""
        error: ProviderError | None = None
        if status in OK and not self.dialect.is_answer(body):
            inside = status_inside(body)
            if inside is None:
                said = shorten(self.masked(encode(body)), 200)
                error = ProviderError(
                    f"{self.address} answered with something that is no answer: {said}", kind="garbled"
                )
            status = inside or status
        elif status not in OK and status < LEAST_ERROR:
            status = BROKEN
        if status not in OK and refusal_of(status, body) is None:
            raw = self.masked(encode(body)).encode("ascii")
            error = translate(status, raw, {}, address=self.address, model=self.model)
        return BatchLine(custom_id=custom_id, status=status, body=body, error=error, request_id=request_id)

    def id_of(self, answer: Any) -> str:
        """The id of what was just made.

        Raises:
            ProviderError: there is none in the answer.
        """
        if isinstance(answer, dict) and isinstance(answer.get("id"), str) and answer["id"]:
            return str(answer["id"])
        said = shorten(self.masked(encode(answer)), 200)
        msg = f"{self.address} took something without saying what it is called: {said}"
        raise ProviderError(msg, kind="garbled")

    def stray(self, raw: bytes) -> BatchLine:
        """A line of results that does not say whose it is."""
        said = shorten(self.masked(raw.decode("utf-8", "replace")), 200)
        msg = f"{self.address} gave a line in the results of a batch that belongs to nobody: {said}"
        return BatchLine(custom_id="", error=ProviderError(msg, kind="garbled"))

    # -------------------------------------------------------------------------------------------- one call

    async def _small(self, method: Callable[..., Any], path: str, about: str, **sent: Any) -> Any:
        options = {**sent.pop("options", {}), **UNREAD}
        async with self._open(method, path, self._timeout_s, options=options, **sent) as (status, headers, blocks):
            raw = await self._whole(blocks)
            if status not in OK:
                raise self._error(status, raw, headers, about)
            return self._value(raw)

    @asynccontextmanager
    async def _open(
        self, method: Callable[..., Any], path: str, seconds: float, **sent: Any
    ) -> AsyncIterator[tuple[int, dict[str, str], AsyncGenerator[bytes, None]]]:
        """A response: its status, its headers, and its body as it comes."""
        response: Any = None
        blocks: AsyncGenerator[bytes, None] | None = None
        try:
            async with asyncio.timeout(seconds):
                try:
                    response = await method(path, cast_to=self._response_type, **sent)
                except self._status_error as e:
                    response = e.response  # type: ignore[attr-defined]
                except Exception as e:  # noqa: BLE001 - the SDK, its backend and TLS raise errors of five families
                    raise _broken(e, self.address, reading=False) from None
            headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in response.headers.raw}
            blocks = _blocks_of(response, headers)
            yield response.status_code, headers, blocks
        except TimeoutError:
            msg = f"{self.address} gave no answer within {seconds:g} s"
            raise ProviderError(msg, kind="timeout") from None
        finally:
            await _release(response, blocks)

    @asynccontextmanager
    async def _download(self, path: str, about: str) -> AsyncIterator[AsyncGenerator[bytes, None]]:
        """The content of a file, which may lie elsewhere: the key does not go there."""
        async with self._open(self._client.get, path, self._timeout_s, options={**UNREAD}) as (status, headers, blocks):
            place = urljoin(f"{self.address}/", headers.get("location") or "") if status in MOVED else ""
            if not place.startswith(("https://", self.address.partition("//")[0])):
                if status not in OK:
                    raise self._error(status, await self._whole(blocks), headers, about)
                yield blocks
                return
        async with self._open(self._fetch, place, self._timeout_s) as (status, _, blocks):
            if status not in OK:
                msg = f"the place to which {self.address} sends callers for the {about} answered {status}"
                raise ProviderError(msg, kind="server_error")
            yield blocks

    async def _fetch(self, url: str, **_: Any) -> Any:
        if self._other is None:
            self._other = self._sdk.DefaultAioHttpClient(timeout=self._client.timeout)
        return await self._other.send(self._other.build_request("GET", url), stream=True)

    async def _next(self, blocks: AsyncGenerator[bytes, None]) -> bytes:
        """The next block of a body; empty at its end."""
        try:
            async with asyncio.timeout(self._timeout_s):
                async for block in blocks:
                    if block:
                        return block
        except TimeoutError:
            raise
        except Exception as e:  # noqa: BLE001 - see `_open`
            raise _broken(e, self.address, reading=True) from None
        return b""

    async def _whole(self, blocks: AsyncGenerator[bytes, None]) -> bytes:
        found = bytearray()
        while block := await self._next(blocks):
            found += block
        return bytes(found)

    def _value(self, raw: bytes) -> Any:
        try:
            return decode(raw)
        except ValueError:
            seen = shorten(self.masked(raw.decode("utf-8", "replace")), 200)
            msg = f"{self.address} answered 200 with something that is no JSON: {seen!r} (is the address right?)"
            raise ProviderError(msg, kind="garbled") from None

    def _error(self, status: int, raw: bytes, headers: Mapping[str, str], about: str) -> ProviderError:
        """Our error for a service's."""
        raw = self.masked(raw.decode("utf-8", "replace")).encode("utf-8", "replace")
        if status in NOT_THERE:
            said = f"answered {status}: {shorten(read_complaint(raw).message, 200) or 'nothing'}"
            if about:
                who = "another key or account made it, or it is no longer kept"
                return BatchLost(f"{self.address} has no {about} for this key ({who}; it {said})")
            return AuthFailed(f"{self.address} {said} (check the address: there is no batch API there)")
        error = translate(status, raw, headers, address=self.address, model=self.model)
        if isinstance(error, ContextOverflow):  # of a conversation; here it is the batch that is too large
            return RequestRejected(str(error))
        return error

    def masked(self, text: str) -> str:
        """A text without keys, nor the start of one that was cut."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
            if secret[:SHORTEST_SECRET] in text:
                text = re.sub(re.escape(secret[:SHORTEST_SECRET]) + r"[\w.*-]*", "***", text)
        return text


class _Body:
    """A file, read while it is sent."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._file.seek(0)
        while block := self._file.read(BLOCK):
            yield block


def entries_of(page: Any) -> list[dict[str, Any]]:
    """What a list holds: `{"data": [{"id": "..."}]}`, or the list itself."""
    found = page.get("data") if isinstance(page, dict) else page
    return [e for e in found if isinstance(e, dict) and e.get("id")] if isinstance(found, list) else []


def _object(raw: bytes) -> dict[str, Any]:
    """The object that a text is; empty where it is none."""
    with suppress(ValueError):
        found = decode(raw)
        return found if isinstance(found, dict) else {}
    return {}
