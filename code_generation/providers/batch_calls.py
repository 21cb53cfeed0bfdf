"""The calls that batch APIs are made of: small ones with a JSON object in and out, uploads that are read from a file
while they are sent, downloads that are read line by line while they come.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urljoin

from code_generation.errors import AuthFailed, ContextOverflow, ProviderError, RequestRejected
from code_generation.jsonl import decode, encode
from code_generation.literals import shorten
from code_generation.providers.batch_apis import BatchLine, BatchLost
from code_generation.providers.connection import Connection
from code_generation.providers.endpoints import DIALECTS
from code_generation.providers.faults import read_complaint, translate
from code_generation.providers.service import OK, judge, read_object
from code_generation.tables import resolve

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping

    from code_generation.models import JsonValue
    from code_generation.providers.connection import Response
    from code_generation.providers.endpoints import ModelChoice

BLOCK = 1 << 16
SLOWEST = 100_000
"""Bytes a second of the slowest upload that is waited for."""
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
        self._connection = Connection(
            self.dialect.sdk,
            name=choice.provider,
            base_url=choice.endpoint.base_url,
            api_key=choice.api_key,
            headers=choice.headers,
        )
        self.address = self._connection.address

    async def get(self, path: str, *, about: str = "", query: Mapping[str, JsonValue] | None = None) -> Any:
        """The JSON value at a path; `about` is what the path is the name of, `batch batch_1`.

        Raises:
            BatchLost: it is not there. ProviderError: see `errors`.
        """
        return await self._small(self._connection.send("get", path, query=query), about)

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
        sent: dict[str, Any] = {} if body is None else {"content": encode(body).encode("ascii")}
        return await self._small(self._connection.send("post", path, **sent), about, makes=not about)

    async def upload(
        self, path: str, file: IO[bytes], size: int, *, name: str = "", fields: Mapping[str, str] | None = None
    ) -> Any:
        """Send a file: as a form's, beside its fields, or, where there are none, as the whole body.

        Returns the JSON value that it is answered with.
        """
        seconds = self._timeout_s + size / SLOWEST
        headers: dict[str, str]
        sent: dict[str, Any]
        if fields is None:
            headers = {"Content-Type": "application/json", "Content-Length": str(size)}
            sent = {"content": _Body(file)}
        else:
            headers = {"Content-Type": "multipart/form-data"}
            sent = {"body": dict(fields), "files": {"file": (name, file, "application/jsonl")}}
        call = self._connection.send("post", path, headers=headers, **sent)
        async with self._open(call, seconds, makes=True) as response:
            raw = await self._whole(response)
            if response.status in OK:
                return read_object(raw, self._connection)
            if response.status == CONFLICT and isinstance(there := _object(raw).get("file_id"), str):
                return {"id": there}  # Together has a file with the same content already
            raise self._error(response, raw, "")

    async def lines(self, path: str, *, about: str, size: int = 0) -> AsyncGenerator[bytes, None]:
        """The lines of a file of at least `size` bytes, each once it is whole.

        Raises:
            BatchLost: there is no such file. ProviderError: kind `truncated` where it breaks off, be it in good order.
        """
        async with self._download(path, about) as response:
            rest, came = bytearray(), 0
            while block := await self._next(response):
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
        await self._connection.close()

    def line_of(self, custom_id: str, status: int, body: JsonValue, request_id: str | None = None) -> BatchLine:
        """A line that was answered, or that the service itself refused: judged as the answer to an online call is."""
        error: ProviderError | None = None
        if status not in OK and status < LEAST_ERROR:
            status = BROKEN
        try:
            status, body = judge(status, body, {}, dialect=self.dialect, model=self.model, connection=self._connection)
        except ProviderError as e:
            error = e
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

    async def _small(self, call: Coroutine[Any, Any, Response], about: str, *, makes: bool = False) -> Any:
        async with self._open(call, self._timeout_s, makes=makes) as response:
            raw = await self._whole(response)
            if response.status not in OK:
                raise self._error(response, raw, about)
            return read_object(raw, self._connection)

    @asynccontextmanager
    async def _open(
        self, call: Coroutine[Any, Any, Response], seconds: float, *, makes: bool = False
    ) -> AsyncIterator[Response]:
        """A response, its body not read yet. `makes`: the call would make a batch; only of such a one a failure says
        that nothing is billed, since there is no batch.
        """
        response: Response | None = None
        try:
            async with asyncio.timeout(seconds):
                response = await call
            yield response
        except TimeoutError:
            raise self._connection.timed_out(seconds) from None
        except ProviderError as error:
            self._connection.hide_keys(error)
            error.unbilled = error.unbilled and makes
            raise
        finally:
            if response is not None:
                await response.release()

    @asynccontextmanager
    async def _download(self, path: str, about: str) -> AsyncIterator[Response]:
        """The content of a file, which may lie elsewhere: the key does not go there."""
        async with self._open(self._connection.send("get", path), self._timeout_s) as response:
            moved = response.status in MOVED
            place = urljoin(f"{self.address}/", response.headers.get("location") or "") if moved else ""
            if not place.startswith(("https://", self.address.partition("//")[0])):
                if response.status not in OK:
                    raise self._error(response, await self._whole(response), about)
                yield response
                return
        async with self._open(self._connection.fetch(place), self._timeout_s) as response:
            if response.status not in OK:
                msg = f"the place to which {self.address} sends callers for the {about} answered {response.status}"
                raise ProviderError(msg, kind="server_error")
            yield response

    async def _next(self, response: Response) -> bytes:
        """The next block of a body; empty at its end."""
        async with asyncio.timeout(self._timeout_s):
            return await response.next_block()

    async def _whole(self, response: Response) -> bytes:
        found = bytearray()
        while block := await self._next(response):
            found += block
        return bytes(found)

    def _error(self, response: Response, raw: bytes, about: str) -> ProviderError:
        """Our error for a service's."""
        said, status = self.masked(raw.decode("utf-8", "replace")), response.status
        if status in NOT_THERE:
            what = f"answered {status}: {shorten(read_complaint(said).message, 200) or 'nothing'}"
            if about:
                who = "another key or account made it, or it is no longer kept"
                return BatchLost(f"{self.address} has no {about} for this key ({who}; it {what})")
            msg = f"{self.address} {what} (check the address: there is no batch API there)"
            return AuthFailed(msg, headers=response.headers, unbilled=True)
        error = translate(status, said, response.headers, address=self.address, model=self.model)
        error.unbilled = error.unbilled and status < BROKEN  # there may be a batch after all
        if isinstance(error, ContextOverflow):  # of a conversation; here it is the batch that is too large
            return RequestRejected(str(error), headers=response.headers, unbilled=error.unbilled)
        return error

    def masked(self, text: str) -> str:
        """A text without keys."""
        return self._connection.masked(text)


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
