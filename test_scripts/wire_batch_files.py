"""Batches of files, as OpenAI and Together have them: `/v1/files` and `/v1/batches`.

Together's differences (`--batch-style together`): its own path for uploads, a wrapper around a new batch, statuses in
capitals, no counts, no metadata, lists without pages, lines of errors without a response.
"""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from test_scripts.batch_server import DIALECTS, Task
from test_scripts.model_faults import reset
from test_scripts.wire_formats import ERRORS, Complaint, openai_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from test_scripts.batch_server import Batches, File, Job

PIECE = 1 << 14
DAY = 86_400
TIMES = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
UNDONE = {
    "expired": ("batch_expired", "This request could not be executed before the completion window expired."),
    "cancelled": ("batch_cancelled", "The batch was cancelled before this request was executed."),
}


def routes(batches: Batches) -> list[web.RouteDef]:
    """All paths."""
    api = FileBatches(batches)
    return [
        web.post("/v1/files", api.upload),
        web.post("/v1/files/upload", api.upload),
        web.get("/v1/files", api.list_files),
        web.get("/v1/files/{id}", api.file),
        web.get("/v1/files/{id}/content", api.content),
        web.post("/v1/batches", api.create),
        web.get("/v1/batches", api.list_batches),
        web.get("/v1/batches/{id}", api.batch),
        web.post("/v1/batches/{id}/cancel", api.cancel),
    ]


def owner_of(request: web.Request) -> str:
    """The key of a request."""
    return (request.headers.get("Authorization") or request.headers.get("x-api-key") or "").removeprefix("Bearer ")


async def send_lines(request: web.Request, content: bytes, fault: str | None) -> web.StreamResponse:
    """Send a file in pieces, or a part of it."""
    end = len(content)
    if fault in {"cut", "cut_reset"}:
        start = content.rfind(b"\n", 0, end // 2) + 1
        end = (start + content.find(b"\n", start)) // 2
    if fault == "cut_line":
        end = content.rfind(b"\n", 0, end - 1) + 1
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    for at in range(0, end, PIECE):
        await response.write(content[at : min(at + PIECE, end)])
    if fault == "cut_reset":
        await asyncio.sleep(0.02)  # what was sent arrives
        reset(request)
    else:
        await response.write_eof()
    return response


class FileBatches:
    """The endpoints."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches
        self.options = batches.server.options

    @property
    def together(self) -> bool:
        return self.options.batch_style == "together"

    def refuse(self, status: int, message: str) -> web.Response:
        return web.json_response(openai_error(Complaint(status, message)), status=status)

    def broken(self) -> web.Response:
        return web.json_response(openai_error(ERRORS["server_error"][0]), status=500)

    def stranger(self, request: web.Request) -> web.Response | None:
        """The refusal of a key that is not known."""
        if not self.options.api_key or owner_of(request) in self.options.api_key:
            return None
        return web.json_response(openai_error(ERRORS["auth"][0]), status=401)

    # ------------------------------------------------------------------------------------------------ files

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """A form with a file and its purpose."""
        form = await request.post()
        if found := self.stranger(request):
            return found
        fault = self.batches.next_fault("upload")
        if fault == "upload_lost":
            reset(request)
            return web.Response()
        if fault == "upload_500":
            return self.broken()
        purpose, file = form.get("purpose"), form.get("file")
        wanted = ("/v1/files/upload", "batch-api") if self.together else ("/v1/files", "batch")
        if (request.path, purpose) != wanted or isinstance(file, str) or file is None:
            return self.refuse(400, f"Expected a file with purpose {wanted[1]!r} at {wanted[0]}.")
        name = str(form.get("file_name") or file.filename)
        if not name.endswith(".jsonl"):
            return self.refuse(400, "Invalid file format for Batch API. Must be .jsonl")
        kept = self.batches.keep(owner_of(request), name, str(purpose), file.file.read())
        return web.json_response(self.file_object(kept))

    def file_object(self, file: File) -> dict[str, Any]:
        found = {
            "id": file.id, "object": "file", "bytes": len(file.content), "created_at": int(file.at),
            "filename": file.name, "purpose": file.purpose,
        }  # fmt: skip
        if self.together:
            return {**found, "FileType": "jsonl", "Processed": True, "LineCount": file.content.count(b"\n")}
        return {**found, "status": "processed", "expires_at": int(file.at) + 30 * DAY, "status_details": None}

    async def list_files(self, request: web.Request) -> web.StreamResponse:
        purpose = request.query.get("purpose")
        files = [f for f in self.batches.files.values() if purpose in {None, f.purpose}]
        return self.listed(request, files, self.file_object, 10_000)

    async def file(self, request: web.Request) -> web.StreamResponse:
        file = self.batches.files.get(request.match_info["id"])
        if file is None or file.owner != owner_of(request):
            return self.refuse(404, f"No such File object: {request.match_info['id']}")
        return web.json_response(self.file_object(file))

    async def content(self, request: web.Request) -> web.StreamResponse:
        file = self.batches.files.get(request.match_info["id"])
        if file is None or file.owner != owner_of(request):
            return self.refuse(404, f"No such File object: {request.match_info['id']}")
        fault = self.batches.next_fault("download")
        return self.broken() if fault == "download_500" else await send_lines(request, file.content, fault)

    def listed(
        self, request: web.Request, found: list[Any], show: Callable[[Any], dict[str, Any]], limit: int
    ) -> web.Response:
        """A page of what belongs to a key and is old enough to be listed, the newest first."""
        if refused := self.stranger(request):
            return refused
        if self.batches.next_fault("list"):
            return self.broken()
        now = time.monotonic()
        mine = [x for x in reversed(found) if x.owner == owner_of(request) and x.seen_from <= now]
        if self.together:
            shown = [show(x) for x in reversed(mine)]
            return web.json_response({"data": shown} if request.path == "/v1/files" else shown)
        if after := request.query.get("after"):
            mine = mine[next((n for n, x in enumerate(mine, 1) if x.id == after), len(mine)) :]
        size = int(request.query.get("limit", limit))
        page = [show(x) for x in mine[:size]]
        ends = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
        return web.json_response({"object": "list", "data": page, **ends, "has_more": len(mine) > size})

    # ------------------------------------------------------------------------------------------------ batches

    async def create(self, request: web.Request) -> web.StreamResponse:
        """A batch of a file."""
        order = await request.json()
        if found := self.stranger(request):
            return found
        fault = self.batches.next_fault("create")
        if fault == "submit_500":
            return self.broken()
        if fault == "submit_reset":
            reset(request)
            return web.Response()
        file = self.batches.files.get(order.get("input_file_id"))
        endpoint = order.get("endpoint")
        if file is None or file.owner != owner_of(request):
            return self.refuse(400, f"Invalid 'input_file_id': no file {order.get('input_file_id')}.")
        if endpoint not in DIALECTS or endpoint == "/v1/messages" or (self.together and "chat" not in endpoint):
            return self.refuse(400, f"Invalid value for 'endpoint': {endpoint!r}.")
        if order.get("completion_window", "24h") != "24h" or (self.together and "metadata" in order):
            return self.refuse(400, "Invalid order.")
        tasks = read_tasks(file.content, endpoint, together=self.together)
        job = self.batches.make("batch_", file.owner, tasks, fault, endpoint=endpoint, file=file.id, order=order)
        shown = self.batch_object(job, "validating")
        if fault == "submit_lost":
            reset(request)
            return web.Response()
        return web.json_response({"job": shown} if self.together else shown)

    async def list_batches(self, request: web.Request) -> web.StreamResponse:
        jobs = [job for job in self.batches.jobs.values() if "file" in job.more]
        return self.listed(request, jobs, self.settled, 20)

    def find(self, request: web.Request) -> Job | None:
        job = self.batches.jobs.get(request.match_info["id"])
        return job if job and job.owner == owner_of(request) and "file" in job.more else None

    async def batch(self, request: web.Request) -> web.StreamResponse:
        job = self.find(request)
        if job is None:
            return self.refuse(404, f"No batch found with id '{request.match_info['id']}'.")
        if self.batches.next_fault("poll"):
            return self.broken()
        return web.json_response(self.settled(job))

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        job = self.find(request)
        if job is None:
            return self.refuse(404, f"No batch found with id '{request.match_info['id']}'.")
        self.batches.stop(job)
        if job.ended_at is not None:
            return self.refuse(409, f"Cannot cancel a batch with status '{job.fate}'.")
        return web.json_response(self.batch_object(job))

    def settled(self, job: Job) -> dict[str, Any]:
        """The batch, its files written where it has ended."""
        self.batches.advance(job)
        if job.ended_at is not None and "files" not in job.more:
            job.more["files"] = {}
            if job.fate != "failed":
                self.write(job)
        return self.batch_object(job)

    def write(self, job: Job) -> None:
        """Write the files of a batch."""
        good = [self.line(job, place) for place, (status, _) in job.done.items() if status == 200]
        bad = [self.line(job, place) for place, (status, _) in job.done.items() if status != 200]
        bad += [self.undone(job, place) for place in job.order if place not in job.done]
        for name, lines in (("output", good), ("error", bad)):
            if lines:
                content = "".join(json.dumps(line) + "\n" for line in lines).encode()
                purpose = "batch-generated" if self.together else "batch_output"
                job.more["files"][name] = self.batches.keep(job.owner, f"{job.id}_{name}.jsonl", purpose, content).id

    def line(self, job: Job, place: int) -> dict[str, Any]:
        """A line that was done."""
        (status, body), custom_id = job.done[place], job.tasks[place].custom_id
        if self.together and status != 200:
            return {"custom_id": custom_id, "error": body["error"]}
        response = {"status_code": status, "request_id": f"req_{job.id[-6:]}_{place}", "body": body}
        if self.together:
            return {"custom_id": custom_id, "response": response}
        return {"id": f"batch_req_{job.id[-6:]}_{place}", "custom_id": custom_id, "response": response, "error": None}

    def undone(self, job: Job, place: int) -> dict[str, Any]:
        """A line that was not."""
        code, message = UNDONE[job.fate]
        found = {"custom_id": job.tasks[place].custom_id, "error": {"code": code, "message": message}}
        return found if self.together else {"id": f"batch_req_{job.id[-6:]}_{place}", "response": None, **found}

    def batch_object(self, job: Job, status: str = "") -> dict[str, Any]:
        """The batch as it is now."""
        files, status = job.more.get("files", {}), status or job.progress()
        if self.together:
            return together_object(job, status, files)
        times: dict[str, int | None] = dict.fromkeys(TIMES)
        if job.ended_at is not None and status in times:
            times[status] = int(job.ended_at)
        errors = None
        if status == "failed":
            errors = {"object": "list", "data": [problem_object(problem) for problem in job.problems]}
        undone = len(job.tasks) - len(job.done) if status in UNDONE else 0
        counts = {
            "total": 0 if status in {"validating", "failed"} else len(job.tasks),
            "completed": job.succeeded(),
            "failed": len(job.done) - job.succeeded() + undone,
        }
        return {
            "id": job.id, "object": "batch", "endpoint": job.more["endpoint"], "errors": errors,
            "input_file_id": job.more["file"], "completion_window": "24h", "status": status,
            "output_file_id": files.get("output"), "error_file_id": files.get("error"), "created_at": int(job.at),
            "expires_at": int(job.at) + DAY, **{f"{name}_at": at for name, at in times.items()},
            "request_counts": counts, "metadata": job.more["order"].get("metadata"),
        }  # fmt: skip


def together_object(job: Job, status: str, files: dict[str, str]) -> dict[str, Any]:
    """A batch as Together shows it."""
    words = {"finalizing": "in_progress", "cancelling": "in_progress"}
    return {
        "id": job.id, "user_id": "user-test", "input_file_id": job.more["file"], "file_size_bytes": 1,
        "status": words.get(status, status).upper(), "job_deadline": stamp(job.at + DAY), "created_at": stamp(job.at),
        "endpoint": job.more["endpoint"], "progress": 100.0 * len(job.done) / max(1, len(job.tasks)),
        "model_id": "m", "output_file_id": files.get("output"), "error_file_id": files.get("error"),
        "error": "; ".join(problem_object(p)["message"] for p in job.problems) if status == "failed" else None,
        "completed_at": stamp(job.ended_at) if job.ended_at is not None else None,
    }  # fmt: skip


def stamp(at: float) -> str:
    """`2026-01-31T12:00:00.000Z`"""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def problem_object(problem: Complaint | tuple[int, Task]) -> dict[str, Any]:
    """Why a batch failed."""
    if isinstance(problem, Complaint):
        return {"code": "token_limit_exceeded", "message": problem.message, "param": None, "line": None}
    line, task = problem
    return {"code": task.code, "message": task.problem, "param": None, "line": line}


def read_tasks(content: bytes, endpoint: str, *, together: bool) -> list[Task]:
    """The lines of a file, with what is wrong with them."""
    tasks: list[Task] = []
    seen: set[str] = set()
    models: set[Any] = set()
    for raw in content.splitlines():
        try:
            line = json.loads(raw)
            custom_id, body = line["custom_id"], line["body"]
            models.add(body["model"])
        except (ValueError, KeyError, TypeError):
            tasks.append(Task("", endpoint, None, "invalid_json_line", "This line is not parseable as valid JSON."))
            continue
        code, problem = "", ""
        if custom_id in seen or not 0 < len(custom_id) <= 64:
            code, problem = "duplicate_custom_id", f"The custom_id '{custom_id}' is used twice, or is too long."
        elif len(models) > 1:
            code, problem = "model_mismatch", "All lines of a batch must be for the same model."
        elif not together and (line.get("url"), line.get("method")) != (endpoint, "POST"):
            code, problem = "url_mismatch", f"The url must be '{endpoint}'."
        elif body.get("stream"):
            code, problem = "invalid_request", "Streaming is not supported in batches."
        seen.add(custom_id)
        tasks.append(Task(custom_id, endpoint, body, code, problem))
    return tasks or [Task("", endpoint, None, "empty_file", "The input file is empty.")]
