"""Message batches, as Anthropic has them: `/v1/messages/batches`."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

from aiohttp import web

from test_scripts.batch_server import Task
from test_scripts.model_faults import reset
from test_scripts.wire_batch_files import DAY, owner_of, send_lines, stamp
from test_scripts.wire_formats import ERRORS, Complaint
from test_scripts.wire_messages import error

if TYPE_CHECKING:
    from test_scripts.batch_server import Batches, Job

ROOT = "/v1/messages/batches"
ENDS = {"expired": "expired", "cancelled": "canceled", "failed": "expired"}  # what becomes of lines that are not done


def routes(batches: Batches) -> list[web.RouteDef]:
    """All paths."""
    api = MessageBatches(batches)
    return [
        web.post(ROOT, api.create),
        web.get(ROOT, api.list_batches),
        web.get(f"{ROOT}/{{id}}", api.batch),
        web.get(f"{ROOT}/{{id}}/results", api.results),
        web.post(f"{ROOT}/{{id}}/cancel", api.cancel),
    ]


class MessageBatches:
    """The endpoints."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches
        self.options = batches.server.options

    def refuse(self, complaint: Complaint) -> web.Response:
        return web.json_response(error(complaint), status=complaint.status)

    def stranger(self, request: web.Request) -> web.Response | None:
        """The refusal of a key that is not known."""
        known = not self.options.api_key or owner_of(request) in self.options.api_key
        return None if known else self.refuse(ERRORS["auth"][1])

    def find(self, request: web.Request) -> Job | None:
        job = self.batches.jobs.get(request.match_info["id"])
        return job if job and job.owner == owner_of(request) and "file" not in job.more else None

    def unknown(self, request: web.Request) -> web.Response:
        said = f"message_batch_id: {request.match_info['id']} was not found"
        return self.refuse(Complaint(404, said, "not_found_error"))

    async def create(self, request: web.Request) -> web.StreamResponse:
        """A batch of requests."""
        raw = await request.read()
        if found := self.stranger(request):
            return found
        fault = self.batches.next_fault("create")
        if fault == "submit_500":
            return self.refuse(ERRORS["server_error"][1])
        if fault == "submit_reset":
            reset(request)
            return web.Response()
        requests = json.loads(raw).get("requests")
        if said := complaint_of(requests):
            return self.refuse(Complaint(400, said))
        tasks = [Task(r["custom_id"], "/v1/messages", r["params"]) for r in requests]
        fault = "expired" if fault in {"failed", "queue_full"} else fault  # there is no such end here
        job = self.batches.make("msgbatch_", owner_of(request), tasks, fault)
        shown = self.batch_object(job, request)
        if fault == "submit_lost":
            reset(request)
            return web.Response()
        return web.json_response(shown)

    async def list_batches(self, request: web.Request) -> web.StreamResponse:
        """A page, the newest first."""
        if found := self.stranger(request):
            return found
        if self.batches.next_fault("list"):
            return self.refuse(ERRORS["server_error"][1])
        now, query = time.monotonic(), request.query
        mine = [j for j in self.batches.jobs.values() if j.owner == owner_of(request) and "file" not in j.more]
        jobs = [j for j in reversed(mine) if j.seen_from <= now]
        size = int(query.get("limit", 20))
        if not 1 <= size <= 1000:
            return self.refuse(Complaint(400, "limit: must be from 1 to 1000"))
        ids = [job.id for job in jobs]
        start, end = 0, len(jobs)
        if (after := query.get("after_id")) is not None:
            start = ids.index(after) + 1 if after in ids else end
        if (before := query.get("before_id")) is not None:
            end = ids.index(before) if before in ids else 0
            start = max(start, end - size)
        page = [self.settled(job, request) for job in jobs[start:end][:size]]
        more = start > 0 if before is not None else end - start > size
        ends = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
        return web.json_response({"data": page, "has_more": more, **ends})

    async def batch(self, request: web.Request) -> web.StreamResponse:
        job = self.find(request)
        if job is None:
            return self.unknown(request)
        if self.batches.next_fault("poll"):
            return self.refuse(ERRORS["server_error"][1])
        return web.json_response(self.settled(job, request))

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        job = self.find(request)
        if job is None:
            return self.unknown(request)
        self.batches.stop(job)
        if job.ended_at is not None:
            return self.refuse(Complaint(400, "Cannot cancel a batch that has already ended."))
        job.more["canceled_at"] = time.time()
        return web.json_response(self.batch_object(job, request))

    async def results(self, request: web.Request) -> web.StreamResponse:
        """A line a request, in any order."""
        job = self.find(request)
        if job is None or job.ended_at is None:
            return self.unknown(request)
        fault = self.batches.next_fault("download")
        if fault == "download_500":
            return self.refuse(ERRORS["server_error"][1])
        lines = [{"custom_id": job.tasks[n].custom_id, "result": result_of(job, n)} for n in reversed(job.order)]
        return await send_lines(request, "".join(json.dumps(line) + "\n" for line in lines).encode(), fault)

    def settled(self, job: Job, request: web.Request) -> dict[str, Any]:
        """The batch, worked on until now."""
        self.batches.advance(job)
        return self.batch_object(job, request)

    def batch_object(self, job: Job, request: web.Request) -> dict[str, Any]:
        """The batch as it is: its counts are of the whole batch, and change at its end."""
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        ended = job.ended_at is not None
        if ended:
            for status, _ in job.done.values():
                counts["succeeded" if status == 200 else "errored"] += 1
            if job.fate in ENDS:
                counts[ENDS[job.fate]] = len(job.tasks) - len(job.done)
        else:
            counts["processing"] = len(job.tasks)
        canceled_at = job.more.get("canceled_at") or (job.ended_at if ended and job.fate == "cancelled" else None)
        return {
            "id": job.id, "type": "message_batch", "archived_at": None, "created_at": stamp(job.at),
            "cancel_initiated_at": stamp(canceled_at) if canceled_at else None,
            "ended_at": stamp(job.ended_at) if job.ended_at is not None else None, "expires_at": stamp(job.at + DAY),
            "processing_status": "ended" if ended else "canceling" if canceled_at else "in_progress",
            "request_counts": counts,
            "results_url": f"{request.scheme}://{request.host}{ROOT}/{job.id}/results" if ended else None,
        }  # fmt: skip


def complaint_of(requests: Any) -> str | None:
    """Why no batch is made."""
    if not isinstance(requests, list) or not requests:
        return "requests: Field required"
    seen: set[str] = set()
    for number, request in enumerate(requests):
        custom_id = request.get("custom_id")
        if not isinstance(custom_id, str) or not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", custom_id):
            return f"requests.{number}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'"
        if custom_id in seen:
            return f"requests.{number}.custom_id: Duplicate custom_id {custom_id!r}"
        if request.get("params", {}).get("stream"):
            return f"requests.{number}.params.stream: Streaming is not supported in batches"
        seen.add(custom_id)
    return None


def result_of(job: Job, place: int) -> dict[str, Any]:
    """What became of a request."""
    if place not in job.done:
        return {"type": ENDS[job.fate]}
    status, body = job.done[place]
    if status != 200:
        return {"type": "errored", "error": body}
    return {"type": "succeeded", "message": {**body, "usage": {**body["usage"], "service_tier": "batch"}}}
