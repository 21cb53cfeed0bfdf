"""Batches as files: OpenAI, services that speak like it, and Together, which differs in paths and shapes.

A file of lines is uploaded and a batch is made of it; its answers come in one file, the lines that failed in another,
both in any order.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from code_generation.errors import ProviderError
from code_generation.jsonl import decode, encode
from code_generation.literals import shorten
from code_generation.providers.batch_apis import BatchLine, BatchState
from code_generation.providers.batch_calls import Calls, entries_of
from code_generation.providers.faults import status_inside

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Sequence

    from code_generation.models import JsonValue
    from code_generation.providers.batch_apis import Line, Note
    from code_generation.providers.endpoints import ModelChoice

TAG = "codegen_tag"
SKEW_S = 3600.0
"""How much the service's clock may differ from ours."""
PAGE = 100
ENDED = {"completed", "expired", "cancelled", "failed"}
PASSING = {"token_limit_exceeded", "rate_limit_exceeded"}
"""Codes of batches that fail because too much is queued."""
UNDONE = {"batch_expired": "expired", "batch_cancelled": "cancelled", "request_timeout": "timeout"}
"""Codes of lines that no call was made for."""


class OpenAiBatches:
    """See `batch_apis.BatchApi`."""

    most_lines = 50_000
    most_bytes = 190_000_000
    uploads = True

    def __init__(self, choice: ModelChoice, *, timeout_s: float = 600.0) -> None:
        """`timeout_s` bounds a call.

        Raises:
            ConfigError: the address, the key or a header can't be used.
        """
        self._calls = Calls(choice, timeout_s=timeout_s)
        self._endpoint = f"/v1{self._calls.dialect.path}"

    async def submit(self, tag: str, lines: Sequence[Line], note: Note) -> str:
        """Upload the lines, then make a batch of them."""
        with tempfile.TemporaryFile() as file:
            size = await asyncio.to_thread(self._write, file, lines)
            file_id = await self._upload(file, size, f"{tag}.jsonl")
        noted = note("file", file_id)
        if noted is not None:
            await noted
        return self._calls.id_of(_job(await self._calls.post("/batches", self._order(tag, file_id))))

    async def find(
        self,
        tag: str,
        *,
        file_id: str | None,
        lines: int,  # noqa: ARG002 - what only Anthropic needs
        custom_ids: Collection[str],  # noqa: ARG002
        since: float,
        known: Collection[str] = (),
    ) -> str | None:
        """By its tag or its file; where neither is known, by its file's name."""
        jobs = [job async for job in self._newest("/batches", since) if job.get("id") not in known]
        for job in jobs:
            named = job.get("metadata")
            if isinstance(named, dict) and named.get(TAG) == tag:
                return str(job["id"])
        files = {file_id} if file_id else set()
        if not files and jobs:
            async for file in self._newest("/files", since):
                if file.get("filename") == f"{tag}.jsonl":
                    files.add(str(file["id"]))
        return next((str(job["id"]) for job in jobs if job.get("input_file_id") in files), None)

    async def state(self, batch_id: str) -> BatchState:
        """How far a batch is."""
        return _state_of(await self._job(batch_id))

    async def results(self, batch_id: str) -> AsyncGenerator[BatchLine, None]:
        """The lines of both files."""
        job = await self._job(batch_id)
        state = _state_of(job)
        if state.status == "running":
            msg = f"batch {batch_id} of {self._calls.address} has not ended"
            raise ProviderError(msg, kind="running")
        files = [name for name in ("output_file_id", "error_file_id") if job.get(name)]
        if (state.done and "output_file_id" not in files) or (state.reason == "completed" and not files):
            msg = f"batch {batch_id} of {self._calls.address} has ended, but its output is not there"
            raise ProviderError(msg, kind="truncated")
        for name in files:
            about = f"{name.removesuffix('_file_id')} file {job[name]} of batch {batch_id}"
            async with aclosing(self._file(str(job[name]), about)) as lines:
                async for raw in lines:
                    yield self._read(raw)

    async def cancel(self, batch_id: str) -> None:
        """Ask a batch to stop."""
        try:
            await self._calls.post(f"/batches/{batch_id}/cancel", about=f"batch {batch_id}")
        except ProviderError:
            if (await self.state(batch_id)).status != "ended":
                raise

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()

    # -------------------------------------------------------------------------------------------- what differs

    def _write(self, file: IO[bytes], lines: Sequence[Line]) -> int:
        for line in lines:
            file.write(encode(self._line(line)).encode("ascii") + b"\n")
        size = file.tell()
        file.seek(0)
        return size

    def _line(self, line: Line) -> dict[str, JsonValue]:
        return {"custom_id": line[0], "method": "POST", "url": self._endpoint, "body": line[1]}

    async def _upload(self, file: IO[bytes], size: int, name: str) -> str:
        fields = {"purpose": "batch"}
        return self._calls.id_of(await self._calls.upload("/files", file, size, name=name, fields=fields))

    def _order(self, tag: str, file_id: str) -> dict[str, JsonValue]:
        order = {"input_file_id": file_id, "endpoint": self._endpoint, "completion_window": "24h"}
        return {**order, "metadata": {TAG: tag}}

    async def _newest(self, path: str, since: float) -> AsyncGenerator[dict[str, Any], None]:
        """The batches or files of this key since a time, the newest first."""
        query: dict[str, JsonValue] = {"limit": PAGE}
        if path == "/files":
            query |= {"purpose": "batch", "order": "desc"}
        async for found in self._calls.pages(path, query, "after"):
            for entry in found:
                if _time_of(entry) >= since - SKEW_S:
                    yield entry
            if _time_of(found[-1]) < since - SKEW_S:
                return

    # -------------------------------------------------------------------------------------------- what does not

    async def _job(self, batch_id: str) -> dict[str, Any]:
        return _job(await self._calls.get(f"/batches/{batch_id}", about=f"batch {batch_id}"))

    async def _file(self, file_id: str, about: str) -> AsyncGenerator[bytes, None]:
        """The lines of a file; its size tells whether all came."""
        file = await self._calls.get(f"/files/{file_id}", about=about)
        size = file.get("bytes") if isinstance(file, dict) else 0
        lines = self._calls.lines(f"/files/{file_id}/content", about=about, size=size if isinstance(size, int) else 0)
        async with aclosing(lines):
            async for line in lines:
                yield line

    def _read(self, raw: bytes) -> BatchLine:
        """`{"custom_id": "...", "response": {"status_code": 200, "request_id": "...", "body": {}}, "error": null}`"""
        line: Any = None
        with suppress(ValueError):
            line = decode(raw)
        custom_id = line.get("custom_id") if isinstance(line, dict) else None
        if not isinstance(custom_id, str):
            return self._calls.stray(raw)
        response = line.get("response")
        if isinstance(response, dict) and isinstance(response.get("status_code"), int):
            request_id = response.get("request_id")
            return self._calls.line_of(custom_id, response["status_code"], response.get("body"), request_id or None)
        error = line.get("error")
        kind = UNDONE.get(str(error.get("code"))) if isinstance(error, dict) else "server_error"
        if kind is None:
            return self._calls.line_of(custom_id, status_inside({"error": error}) or 500, {"error": error})
        said = shorten(self._calls.masked(encode(error)), 200)
        msg = f"{self._calls.address} did not answer a line of a batch: {said}"
        return BatchLine(custom_id=custom_id, error=ProviderError(msg, kind=kind))


class TogetherBatches(OpenAiBatches):
    """Together: another place to upload to, lines without an address, no names for batches, lists that are whole."""

    most_bytes = 95_000_000

    def _line(self, line: Line) -> dict[str, JsonValue]:
        return {"custom_id": line[0], "body": line[1]}

    async def _upload(self, file: IO[bytes], size: int, name: str) -> str:
        fields = {"purpose": "batch-api", "file_name": name, "file_type": "jsonl"}
        return self._calls.id_of(await self._calls.upload("/files/upload", file, size, name=name, fields=fields))

    def _order(self, tag: str, file_id: str) -> dict[str, JsonValue]:  # noqa: ARG002 - see the class
        return {"input_file_id": file_id, "endpoint": self._endpoint, "completion_window": "24h"}

    async def _newest(self, path: str, since: float) -> AsyncGenerator[dict[str, Any], None]:
        found = [e for e in entries_of(await self._calls.get(path)) if _time_of(e) >= since - SKEW_S]
        for entry in sorted(found, key=_time_of, reverse=True):
            yield entry


def _job(answer: Any) -> dict[str, Any]:
    """A batch; Together puts a new one into a wrapper."""
    job = answer.get("job", answer) if isinstance(answer, dict) else None
    return job if isinstance(job, dict) else {}


def _time_of(entry: dict[str, Any]) -> float:
    """When it was made; of an entry that does not say so, now."""
    at = entry.get("created_at")
    if isinstance(at, int | float):
        return float(at)
    with suppress(ValueError, TypeError):
        found = datetime.fromisoformat(str(at))
        return found.replace(tzinfo=found.tzinfo or UTC).timestamp()
    return time.time()


def _state_of(job: dict[str, Any]) -> BatchState:
    status = str(job.get("status")).lower().replace("canceled", "cancelled")
    counts = job.get("request_counts")
    found = {k: v for k, v in counts.items() if isinstance(v, int)} if isinstance(counts, dict) else {}
    done, failed, total = found.get("completed"), found.get("failed"), found.get("total")
    if status not in ENDED:
        return BatchState(status="running", done=done, failed=failed, total=total)
    why, passing = "", False
    if status == "failed":
        errors = _errors_of(job)
        passing = bool(errors) and all(e.get("code") in PASSING for e in errors)
        why = ": " + shorten("; ".join(map(_said, errors)) or "no reason given", 400)
    return BatchState(status="ended", reason=status + why, done=done, failed=failed, total=total, passing=passing)


def _errors_of(job: dict[str, Any]) -> list[dict[str, Any]]:
    errors = job.get("errors")
    found = errors.get("data") if isinstance(errors, dict) else errors
    if isinstance(found, list):
        return [e if isinstance(e, dict) else {"message": str(e)} for e in found]
    return [{"message": str(job["error"])}] if job.get("error") else []


def _said(error: dict[str, Any]) -> str:
    """`line 3: This line is not parseable as valid JSON. (invalid_json_line)`"""
    line, code = error.get("line"), error.get("code")
    return (
        (f"line {line}: " if line is not None else "")
        + str(error.get("message") or "")
        + (f" ({code})" if code else "")
    )
