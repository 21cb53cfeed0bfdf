"""Batches of the loopback model server: what they hold, how far they are, what became of their lines.

A batch is worked on as time passes, its lines in a random order, and answers what the online endpoints would: an answer
counts as bought when its line was done, fetched or not. The dialects of it are in `wire_batch_files` (OpenAI, Together)
and `wire_batch_messages` (Anthropic).
"""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from test_scripts import wire_chat, wire_messages, wire_responses
from test_scripts.model_answers import odd
from test_scripts.model_faults import ODD
from test_scripts.wire_formats import ERRORS, Complaint, cost_of

if TYPE_CHECKING:
    import argparse

    from aiohttp import web

    from test_scripts.model_server import ModelServer

DIALECTS = {"/v1/chat/completions": wire_chat, "/v1/responses": wire_responses, "/v1/messages": wire_messages}
BATCH_FAULTS = {
    "upload_lost": "upload",  # the connection breaks and there is no file
    "upload_500": "upload",
    "submit_lost": "create",  # there is a batch, but the connection breaks before its id is told
    "submit_reset": "create",  # the connection breaks and there is no batch
    "submit_500": "create",  # there is none
    "expired": "create",  # it will expire with a part of its lines done
    "cancelled": "create",  # the service will stop it
    "failed": "create",  # it will fail its validation
    "queue_full": "create",  # it will fail because too much is queued
    "poll_500": "poll",
    "list_500": "list",
    "cut": "download",  # ends within a line, as if that were all
    "cut_line": "download",  # ends after a line, as if that were all
    "cut_reset": "download",  # the connection breaks within a line
    "download_500": "download",
}
LINE_FAULTS = ("ok", *ERRORS, *ODD)
ENDS = {"expired": "expired", "cancelled": "cancelled", "failed": "failed", "queue_full": "failed"}
VALIDATED, WORKED = 0.1, 0.95  # shares of its time
SETTLES = 0.1  # share of its time that a batch takes to stop


def add_batch_options(parser: argparse.ArgumentParser) -> None:
    """The part of the command line that is about batches."""
    for name, default, text in (
        ("batch-delay", 0.0, "seconds that a batch takes"),
        ("batch-jitter", 0.0, "up to so many seconds more, at random"),
        ("batch-list-lag", 0.0, "seconds until a new batch or file is in the lists"),
        ("batch-share", 0.5, "share of the lines that are done in a batch that expires or is cancelled"),
    ):
        parser.add_argument(f"--{name}", type=float, default=default, help=text)
    for name, choices, text in (
        ("batch-fault", BATCH_FAULTS, "each for the next call of its kind, in order"),
        ("batch-line-fault", LINE_FAULTS, "each for the next line that is submitted, in order"),
        ("batch-random-fault", None, "NAME=PROBABILITY of a call of its kind"),
        ("batch-random-line-fault", None, "NAME=PROBABILITY of a line"),
    ):
        parser.add_argument(f"--{name}", action="append", default=[], choices=choices, help=text)
    parser.add_argument("--batch-style", choices=["openai", "together"], default="openai", help="of batches of files")


class Task(NamedTuple):
    """A line of a batch; `problem` says why it can't be done, and `code` what OpenAI calls that."""

    custom_id: str
    path: str
    body: Any
    code: str = ""
    problem: str = ""


@dataclass(slots=True)
class File:
    """A file of somebody."""

    id: str
    owner: str
    name: str
    purpose: str
    content: bytes
    at: float
    seen_from: float


@dataclass(slots=True)
class Job:
    """A batch of somebody."""

    id: str
    owner: str
    tasks: list[Task]
    at: float  # when it was made, Unix time
    start: float  # the same on the clock that the rest counts by
    takes: float
    seen_from: float
    order: list[int]
    faults: list[str | None]
    more: dict[str, Any] = field(default_factory=dict)  # what its dialect keeps of it
    fate: str = "completed"
    problems: list[Complaint | tuple[int, Task]] = field(default_factory=list)
    done: dict[int, tuple[int, Any]] = field(default_factory=dict)  # line -> status and body
    stop_at: float | None = None
    ended_at: float | None = None

    def share(self, now: float) -> float:
        """How much of its time has passed."""
        return min(1.0, (now - self.start) / self.takes) if self.takes else 1.0

    def progress(self) -> str:
        """How far it is, in OpenAI's words."""
        if self.ended_at is not None:
            return self.fate
        if self.stop_at is not None:
            return "cancelling"
        share = self.share(time.monotonic())
        return "validating" if share < VALIDATED else "in_progress" if share < WORKED else "finalizing"

    def succeeded(self) -> int:
        """Lines that were answered."""
        return sum(status == 200 for status, _ in self.done.values())


class Batches:
    """All batches and files of one server."""

    def __init__(self, server: ModelServer) -> None:
        self.server = server
        self.forget()

    def forget(self) -> None:
        """Start anew."""
        self.files: dict[str, File] = {}
        self.jobs: dict[str, Job] = {}
        self.random = random.Random(self.server.options.seed)  # noqa: S311 - faults and orders, not secrets
        self.number = 0
        self.calls: Counter[str] = Counter()
        self.needless = 0
        self.latest: dict[str, tuple[Job, int]] = {}

    def routes(self) -> list[web.RouteDef]:
        """What the server answers to."""
        from test_scripts import wire_batch_files, wire_batch_messages

        return [*wire_batch_files.routes(self), *wire_batch_messages.routes(self)]

    def report(self) -> dict[str, Any]:
        """For the control page.

        Lines are the same by their custom ids. One that is submitted again was needless where an earlier batch had
        answered it or was still going to.
        """
        for job in self.jobs.values():
            self.advance(job)
        submitted = sum(len(job.tasks) for job in self.jobs.values())
        return {
            "batches_created": len(self.jobs),
            "files_uploaded": sum(file.purpose in {"batch", "batch-api"} for file in self.files.values()),
            "lines_submitted": submitted,
            "lines_submitted_twice": submitted - len(self.latest),
            "lines_submitted_needlessly": self.needless,
            "batch_calls": self.calls,
        }

    def next_fault(self, kind: str) -> str | None:
        """The fault of a call of this kind."""
        self.calls[kind] += 1
        options = self.server.options
        for name in options.batch_fault:
            if BATCH_FAULTS[name] == kind:
                options.batch_fault.remove(name)
                return name
        return self.drawn([o for o in options.batch_random_fault if BATCH_FAULTS[o.partition("=")[0]] == kind])

    def drawn(self, odds: list[str]) -> str | None:
        """One of `NAME=PROBABILITY`, or none."""
        draw = self.random.random() if odds else 1.0
        for name, _, chance in (o.partition("=") for o in odds):
            if draw < float(chance):
                return name
            draw -= float(chance)
        return None

    def line_fault(self) -> str | None:
        """The fault of the next line that is submitted."""
        options = self.server.options
        found = options.batch_line_fault.pop(0) if options.batch_line_fault else None
        found = found or self.drawn(options.batch_random_line_fault)
        return None if found == "ok" else found

    def new_id(self, prefix: str) -> str:
        """A name that looks like a service's."""
        self.number += 1
        return f"{prefix}{self.number:04d}{self.random.getrandbits(64):016x}"

    def keep(self, owner: str, name: str, purpose: str, content: bytes) -> File:
        """Keep a file."""
        seen_from = time.monotonic() + self.server.options.batch_list_lag
        file = File(self.new_id("file-"), owner, name, purpose, content, time.time(), seen_from)
        self.files[file.id] = file
        return file

    def make(self, prefix: str, owner: str, tasks: list[Task], fault: str | None, **more: Any) -> Job:
        """Make a batch."""
        options, now = self.server.options, time.monotonic()
        order = list(range(len(tasks)))
        self.random.shuffle(order)
        job = Job(
            id=self.new_id(prefix), owner=owner, tasks=tasks, at=time.time(), start=now,
            takes=options.batch_delay + options.batch_jitter * self.random.random(),
            seen_from=now + options.batch_list_lag, order=order, faults=[self.line_fault() for _ in tasks], more=more,
            fate=ENDS.get(fault or "", "completed"),
        )  # fmt: skip
        job.problems = problems_of(fault, tasks)
        if job.problems:
            job.fate = "failed"
        for place, task in enumerate(tasks):
            if task.custom_id in self.latest:
                earlier, at = self.latest[task.custom_id]
                self.advance(earlier)
                status = earlier.done.get(at, (0, None))[0]
                self.needless += status == 200 or (not status and earlier.ended_at is None)
            self.latest[task.custom_id] = job, place
        self.jobs[job.id] = job
        return job

    def stop(self, job: Job) -> None:
        """Ask a batch to stop: what is not done by now will not be."""
        self.advance(job)
        if job.ended_at is None and job.stop_at is None:
            job.stop_at = time.monotonic() + job.takes * SETTLES

    def advance(self, job: Job) -> None:
        """Do what has been done by now."""
        if job.ended_at is not None:
            return
        now = time.monotonic()
        share, over = job.share(now), now >= job.start + job.takes
        if job.fate == "failed":
            over = share >= VALIDATED
        elif job.stop_at is not None:
            over = now >= job.stop_at
            job.fate = "cancelled" if over else job.fate
        else:
            whole = 1.0 if job.fate == "completed" else self.server.options.batch_share
            self.work(job, math.ceil(len(job.tasks) * whole) if over else int(len(job.tasks) * whole * share))
        if over:
            job.ended_at = time.time()

    def work(self, job: Job, number: int) -> None:
        """Have so many lines done."""
        for place in job.order[len(job.done) : number]:
            job.done[place] = self.answer(job.tasks[place], job.faults[place])

    def answer(self, task: Task, fault: str | None) -> tuple[int, Any]:
        """What the online endpoint answers: status and body."""
        server, dialect, body = self.server, DIALECTS[task.path], task.body
        options: Any = server.options
        if options.known_model and body.get("model") not in options.known_model:
            fault = "not_found"
        found = dialect.complaint(body, options, server.extras_of(body))
        if fault in ERRORS:
            found = server.error_of(dialect, body, fault)
        if found:
            return found.status, dialect.error(found)
        asked = dialect.asked(body, options)
        answer = server.answers.answer(asked, server.answers.problem_of(asked.first))
        if asked.explicit or options.auto_cache:
            answer = server.answers.cached(answer, asked)
        answer = odd(answer, fault, asked, options)
        digest = server.ledger.digest(task.path, body)
        server.ledger.admit(digest)
        tokens = None if answer.fault == "no_usage" else answer.tokens
        server.ledger.sell(digest, tokens, cost_of(answer) if options.cost else 0.0)
        return 200, dialect.render(body, answer, options)


def problems_of(fault: str | None, tasks: list[Task]) -> list[Complaint | tuple[int, Task]]:
    """Why a batch fails before anything of it is done."""
    if fault == "failed":
        return [(1, Task("", "", None, "invalid_json_line", "This line is not parseable as valid JSON."))]
    if fault == "queue_full":
        said = "Enqueued token limit reached for m in organization org-test. Limit: 2,000,000 enqueued tokens."
        return [Complaint(429, f"{said} Please try again once some in_progress batches have been completed.")]
    return [(number, task) for number, task in enumerate(tasks, 1) if task.problem]
