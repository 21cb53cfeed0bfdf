"""One model of one endpoint: build, post, read, learn.

What a dialect builds goes out as it is, and what comes back is read here, streamed or whole, since compatible services
leave out or add fields. The `connection` bounds no answer; the time here is that of a whole one.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from code_generation.errors import ProviderError, RequestRejected
from code_generation.jsonl import decode, encode
from code_generation.literals import shorten
from code_generation.providers.connection import Connection
from code_generation.providers.dialect import Answer
from code_generation.providers.faults import read_complaint, refusal_of, status_inside, translate
from code_generation.providers.parameters import Parameters
from code_generation.providers.sse import EventParser

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from code_generation.models import JsonValue, Request
    from code_generation.providers.connection import Response
    from code_generation.providers.dialect import Dialect, Events, Wire

NEEDED = {"openai": (), "anthropic": ("max_tokens",)}
"""Parameters without which a dialect has no question."""
ADAPTATIONS = 8
"""Times that one question is asked again without or with another parameter."""
OK = range(200, 300)


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
        self._parameters = Parameters(needed=NEEDED[dialect.sdk], on_change=on_change)
        self.connection = Connection(dialect.sdk, name=name, base_url=base_url, api_key=api_key, headers=headers)

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
            except ProviderError as error:
                self.connection.hide_keys(error)
                tries += 1
                if not isinstance(error, RequestRejected) or tries > ADAPTATIONS or not self.learn(error, sent):
                    raise

    def whole_body(self, request: Request) -> tuple[dict[str, JsonValue], dict[str, str]]:
        """The body of a call that is not streamed, as the model takes it, and what was changed for that."""
        return self._parameters.apply(self.dialect.build_body(request, replace(self.wire, stream=False)))

    def learn(self, error: RequestRejected, body: dict[str, JsonValue]) -> bool:
        """Whether asking again with another body may help, after this one was rejected."""
        return self._parameters.adapt(error, body) is not None

    async def close(self) -> None:
        """Close the connections; calls that are under way fail."""
        await self.connection.close()

    async def _call(
        self, body: dict[str, JsonValue], changed: dict[str, str], keep: Callable[[Answer], None] | None
    ) -> Answer:
        content = encode(body).encode("ascii")
        started = time.monotonic()
        response: Response | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self.connection.send("post", self.dialect.path, content=content)
                status, answered = await self._understood(response)
            headers = response.headers
            answer = Answer(
                dialect=self.dialect.name,
                model=self.model,
                body=answered,
                latency_s=time.monotonic() - started,
                status=status,
                request_id=self.connection.masked(headers.get("x-request-id") or headers.get("request-id") or "")
                or None,
                changed=changed,
                headers=headers,
            )
            if keep is not None:
                keep(answer)
            await response.wait_for_end()
        except TimeoutError:
            raise self.connection.timed_out(self._timeout_s) from None
        finally:
            if response is not None:
                await response.release()
        return answer

    async def _understood(self, response: Response) -> tuple[int, JsonValue]:
        """`_read`; what our own code can't make sense of is an error of the service's answer, not of the run."""
        try:
            return await self._read(response)
        except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError, AttributeError) as e:
            msg = f"{self.connection.address} sent something that can't be read: {type(e).__name__}"
            raise ProviderError(msg, kind="garbled") from None

    async def _read(self, response: Response) -> tuple[int, JsonValue]:
        """Status and object of an answer.

        Raises:
            ProviderError: it is none.
        """
        events = response.headers.get("content-type", "").startswith("text/event-stream")
        body: JsonValue | bytes
        if response.status in OK and events:
            body = await self._read_events(response)
        else:
            body = await response.whole()
            if response.status in OK and body.lstrip().startswith((b"data:", b"event:")):
                body = await self._read_events(response, body)
            elif response.status in OK:
                body = read_object(body, self.connection)
        return judge(
            response.status,
            body,
            response.headers,
            dialect=self.dialect,
            model=self.model,
            connection=self.connection,
        )

    async def _read_events(self, response: Response, first: bytes = b"") -> JsonValue:
        """The object that the events of a stream make; `first` is what was read of it already. What comes after the
        last event is left unread.
        """
        parser, events = EventParser(), self.dialect.open_events()
        block = first or await response.next_block()
        while block:
            if _add(events, parser.feed(block)):
                return events.body()
            block = await response.next_block()
        with suppress(ProviderError):  # half an event
            if _add(events, parser.feed(b"\n\n")):
                return events.body()
        msg = f"{self.connection.address} broke off its answer before the end"
        raise ProviderError(msg, kind="truncated")


def _add(events: Events, found: list[tuple[str, str]]) -> bool:
    """Add events up to the last one of an answer; whether that has come."""
    for name, data in found:
        events.add(name, data)
        if events.ended:
            return True
    return False


def read_object(raw: bytes, connection: Connection) -> JsonValue:
    """The JSON value that came with status 200.

    Raises:
        ProviderError: it is none, for want of everything (kind `empty`), of its end (`truncated`) or of sense.
    """
    for text in (raw, raw.decode("utf-8-sig", "replace")):  # a broken byte is no reason to buy an answer again
        try:
            return decode(text)
        except ValueError:
            continue
    text = raw.strip()
    if not text:
        raise ProviderError(f"{connection.address} answered nothing at all", kind="empty")
    seen = shorten(connection.masked(read_complaint(raw).message), 200)
    if text.startswith((b"{", b"[")) and not text.endswith((b"}", b"]")):
        raise ProviderError(f"{connection.address} broke off its answer before the end: {seen}", kind="truncated")
    msg = f"{connection.address} answered 200 with something that is no JSON: {seen!r} (is the address right?)"
    raise ProviderError(msg, kind="garbled")


def judge(
    status: int,
    body: JsonValue | bytes,
    headers: Mapping[str, str],
    *,
    dialect: Dialect,
    model: str,
    connection: Connection,
) -> tuple[int, JsonValue]:
    """Status and object of what came back: of an answer, or of a refusal by the model in place of one, with the status
    of the error that it stands in. Some services report errors with status 200.

    Raises:
        ProviderError: it is another error.
    """
    begun = status in OK
    if begun and dialect.is_answer(body):
        return 200, body
    said = connection.masked(body.decode("utf-8-sig", "replace") if isinstance(body, bytes) else encode(body))
    if begun:
        inside = status_inside(body)
        if inside is None:
            msg = f"{connection.address} answered with something that is no answer: {shorten(said, 200)}"
            raise ProviderError(msg, kind="garbled", headers=headers)
        status = inside
    if refusal_of(status, said) is None:
        raise translate(status, said, headers, address=connection.address, model=model, begun=begun)
    try:
        return status, decode(said)
    except ValueError:
        return status, {"error": {"message": said}}
