"""Message batches of Anthropic: one call with all requests, one stream of results.

Nobody can name such a batch. One whose submit was lost is told by when it was made and how many requests it has, and,
once it has ended, by whose results it holds.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import aclosing, suppress
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from code_generation.errors import ProviderError
from code_generation.jsonl import decode, encode
from code_generation.providers.batch_apis import BatchLine, BatchLost, BatchState
from code_generation.providers.batch_calls import Calls

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Sequence

    from code_generation.providers.batch_apis import Line, Note
    from code_generation.providers.endpoints import ModelChoice

PATH = "/v1/messages/batches"
PAGE = 100
SKEW_S = 300.0
"""How much the service's clock may differ from ours."""
LOOKED_AT = 20
"""Results by which a batch is known."""
UNDONE = {"canceled": "cancelled", "expired": "expired"}
STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""Of errors, which come without one in results."""


class AnthropicBatches:
    """See `batch_apis.BatchApi`."""

    most_lines = 100_000
    most_bytes = 240_000_000
    uploads = False

    def __init__(self, choice: ModelChoice, *, timeout_s: float = 600.0) -> None:
        """`timeout_s` bounds a call.

        Raises:
            ConfigError: the address, the key or a header can't be used.
        """
        self._calls = Calls(choice, timeout_s=timeout_s)

    async def submit(self, tag: str, lines: Sequence[Line], note: Note) -> str:  # noqa: ARG002 - nothing has a name
        """One call that makes the batch, or does not."""
        with tempfile.TemporaryFile() as file:
            size = await asyncio.to_thread(_write, file, lines)
            return self._calls.id_of(await self._calls.upload(PATH, file, size))

    async def find(
        self,
        tag: str,  # noqa: ARG002 - nothing has a name
        *,
        file_id: str | None,  # noqa: ARG002
        lines: int,
        custom_ids: Collection[str],
        since: float,
        known: Collection[str] = (),
    ) -> str | None:
        """By its time and its number of requests, and by its results where it has any."""
        running = []
        for batch in await self._newest(since):
            if batch["id"] in known or sum(_counts(batch).values()) != lines:
                continue
            if batch.get("processing_status") != "ended":
                running.append(str(batch["id"]))
            elif await self._holds(batch, custom_ids):
                return str(batch["id"])
        if len(running) > 1:
            several = ", ".join(running)
            msg = f"{self._calls.address} has {len(running)} batches that may be the one that was made: {several}"
            raise ProviderError(msg, kind="undecided")
        return running[0] if running else None

    async def state(self, batch_id: str) -> BatchState:
        """How far a batch is."""
        return _state_of(await self._batch(batch_id))

    async def results(self, batch_id: str) -> AsyncGenerator[BatchLine, None]:
        """A line a request."""
        batch = await self._batch(batch_id)
        if batch.get("processing_status") != "ended":
            msg = f"batch {batch_id} of {self._calls.address} has not ended"
            raise ProviderError(msg, kind="running")
        total, came = sum(_counts(batch).values()), 0
        async with aclosing(self._lines(batch)) as lines:
            async for raw in lines:
                came += 1
                yield self._read(raw)
        if came < total:
            msg = f"{self._calls.address} broke off the results of batch {batch_id} after {came} of {total} lines"
            raise ProviderError(msg, kind="truncated")

    async def cancel(self, batch_id: str) -> None:
        """Ask a batch to stop."""
        try:
            await self._calls.post(f"{PATH}/{batch_id}/cancel", about=f"batch {batch_id}")
        except ProviderError:
            if (await self.state(batch_id)).status != "ended":
                raise

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()

    async def _batch(self, batch_id: str) -> dict[str, Any]:
        found = await self._calls.get(f"{PATH}/{batch_id}", about=f"batch {batch_id}")
        return found if isinstance(found, dict) else {}

    async def _newest(self, since: float) -> list[dict[str, Any]]:
        """The batches of this key since a time, the newest first."""
        found: list[dict[str, Any]] = []
        async for page in self._calls.pages(PATH, {"limit": PAGE}, "after_id"):
            recent = [b for b in page if _time_of(b) >= since - SKEW_S]
            found += recent
            if len(recent) < len(page):
                break
        return found

    async def _holds(self, batch: dict[str, Any], custom_ids: Collection[str]) -> bool:
        """Whether the results of a batch are of these requests."""
        seen = 0
        async with aclosing(self._lines(batch)) as lines:
            async for raw in lines:
                if self._read(raw).custom_id not in custom_ids:
                    return False
                seen += 1
                if seen == LOOKED_AT:
                    break
        return seen > 0

    async def _lines(self, batch: dict[str, Any]) -> AsyncGenerator[bytes, None]:
        about = f"results of batch {batch.get('id')}"
        url = batch.get("results_url")
        if not isinstance(url, str) or not url:
            msg = f"{self._calls.address} no longer keeps the {about}"
            raise BatchLost(msg)
        async with aclosing(self._calls.lines(self._path_of(url), about=about)) as lines:
            async for line in lines:
                yield line

    def _path_of(self, url: str) -> str:
        """Where results are; the key must not follow an address that leads elsewhere (what is called is a gateway)."""
        if url.startswith(f"{self._calls.address}/"):
            return url
        parts = urlsplit(url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    def _read(self, raw: bytes) -> BatchLine:
        """`{"custom_id": "...", "result": {"type": "succeeded", "message": {}}}`"""
        line: Any = None
        with suppress(ValueError):
            line = decode(raw)
        custom_id, result = (line.get("custom_id"), line.get("result")) if isinstance(line, dict) else (None, None)
        if not isinstance(custom_id, str) or not isinstance(result, dict):
            return self._calls.stray(raw)
        if result.get("type") == "succeeded":
            return self._calls.line_of(custom_id, 200, result.get("message"))
        if (kind := UNDONE.get(str(result.get("type")))) is not None:
            msg = f"{self._calls.address} did not answer a request of a batch: it was {kind}"
            return BatchLine(custom_id=custom_id, error=ProviderError(msg, kind=kind))
        body = result.get("error")
        error = body.get("error") if isinstance(body, dict) else None
        said = error.get("type") if isinstance(error, dict) else None
        request_id = body.get("request_id") if isinstance(body, dict) else None
        return self._calls.line_of(custom_id, STATUSES.get(str(said), 500), body, request_id or None)


def _write(file: IO[bytes], lines: Sequence[Line]) -> int:
    for number, (custom_id, body) in enumerate(lines):
        file.write(b", " if number else b'{"requests": [')
        file.write(encode({"custom_id": custom_id, "params": body}).encode("ascii"))
    file.write(b"]}")
    return file.tell()


def _counts(batch: dict[str, Any]) -> dict[str, int]:
    counts = batch.get("request_counts")
    return {k: v for k, v in counts.items() if isinstance(v, int)} if isinstance(counts, dict) else {}


def _time_of(batch: dict[str, Any]) -> float:
    try:
        return datetime.fromisoformat(str(batch.get("created_at"))).timestamp()
    except ValueError:
        return float("inf")


def _state_of(batch: dict[str, Any]) -> BatchState:
    counts = _counts(batch)
    done, total = counts.get("succeeded", 0), sum(counts.values())
    if batch.get("processing_status") != "ended":
        return BatchState(status="running", done=done, failed=0, total=total)
    failed = total - done
    stopped = "cancelled" if counts.get("canceled") else "expired" if counts.get("expired") else "completed"
    return BatchState(status="ended", reason=stopped, done=done, failed=failed, total=total)
