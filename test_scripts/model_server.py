"""A loopback server that speaks the wire formats of model services over a real socket, with faults on demand.

    python -m test_scripts.model_server --port 0 --problems problems.jsonl --mode repair

prints its port and serves Chat Completions, Responses and Messages. It finds the problem by its statement in the first
user message and answers wrong first and right after feedback (`--mode repair`), or always right, or never; an answer
depends on the problem and the turn alone. `GET /control` tells what was asked and sold, `POST /control` changes
options while it runs. In tests: `with serving(problems=path, fault=["rate_limit"]) as server: ...`.

Two requests with the same body are the same request to it: samples of one prompt that nothing in the body tells apart
count as asked and bought twice.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import subprocess
import sys
import urllib.request
from collections import Counter, deque
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from test_scripts import wire_chat, wire_messages, wire_responses
from test_scripts.batch_server import Batches
from test_scripts.buckets import Limited, Limits
from test_scripts.model_answers import Answers, Ledger, odd
from test_scripts.model_faults import (
    AT_ONCE,
    HTML,
    NOTHING,
    PARTLY,
    REFUSING,
    fail,
    partial_body,
    partial_stream,
    send,
    send_partly,
)
from test_scripts.model_options import read_options
from test_scripts.wire_formats import ERRORS, Answer, Asked, Complaint, cost_of

if TYPE_CHECKING:
    import argparse

DIALECTS = {"/v1/chat/completions": wire_chat, "/v1/responses": wire_responses, "/v1/messages": wire_messages}
ROOT = Path(__file__).parents[1]
RATES = {"rps", "burst", "tps", "token_burst", "window"}


class ModelServer:
    """The state of one server: what it answers, what it was asked."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.at_first = deepcopy(vars(options))
        self.answers = Answers(options)
        self.batches = Batches(self)
        self.forget()
        self.under_way = 0

    def forget(self) -> None:
        """Start counting anew, with the options of the command line."""
        vars(self.options).update(deepcopy(self.at_first))
        self.answers.prepare()
        self.batches.forget()
        self.limits = Limits(self.options)
        self.ledger = Ledger()
        self.bodies: deque[dict] = deque(maxlen=self.options.keep_bodies)
        self.keys: deque[str] = deque(maxlen=self.options.keep_bodies)
        self.statuses: Counter[str] = Counter()
        self.requests = self.most_under_way = 0

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """A request for an answer, in the dialect of its path."""
        dialect: Any = DIALECTS[request.path]
        raw = await request.read()
        self.requests += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            body = json.loads(raw)
            self.bodies.append(body)
            self.keys.append(request.headers.get("Authorization") or request.headers.get("x-api-key", ""))
            return await self.work(request, dialect, body)
        except json.JSONDecodeError:
            complaint = Complaint(400, "We could not parse the JSON body of your request.")
            return self.refuse(dialect, complaint, "complaint")
        except ConnectionError:
            self.ledger.abandoned += 1
            return web.Response()
        finally:
            self.under_way -= 1

    async def work(self, request: web.Request, dialect: Any, body: dict) -> web.StreamResponse:
        """Check a request, then answer it or fail it."""
        found = self.stranger(request, dialect, body) or dialect.complaint(body, self.options, self.extras_of(body))
        if found:
            return self.refuse(dialect, found, "complaint")
        asked: Asked = dialect.asked(body, self.options)
        problem = self.answers.problem_of(asked.first)
        answer = self.answers.answer(asked, problem)
        limited = self.limits.admit(answer.tokens.input + answer.tokens.output)
        headers = self.headers(dialect)  # as of now, as services tell it
        if limited:
            return self.refuse(dialect, self.limited(dialect, body, limited), "limited", headers | self.later(limited))
        fault = self.answers.next_fault(problem)
        digest = self.ledger.digest(request.path, body)
        if fault not in REFUSING:
            self.ledger.admit(digest)
        if fault not in AT_ONCE:
            await asyncio.sleep(self.options.latency + self.options.jitter * self.answers.moods.random())
        if fault in ERRORS:
            if fault == "rate_limit" and not self.options.no_retry_after:
                headers["Retry-After"] = f"{self.options.retry_after:g}"
            return self.refuse(dialect, self.error_of(dialect, body, fault), fault, headers)
        self.statuses[fault or "ok"] += 1
        if fault in NOTHING:
            self.ledger.refused += fault in REFUSING
            return await fail(request, fault, headers)
        if asked.explicit or self.options.auto_cache:
            answer = self.answers.cached(answer, asked)
        answer = odd(answer, fault, asked, self.options)
        response = await self.deliver(request, dialect, body, answer, fault, headers)
        if fault not in PARTLY:
            self.settle(request, digest, answer)
        return response

    def settle(self, request: web.Request, digest: bytes, answer: Answer) -> None:
        """Count an answer whose last byte has gone out, if anyone was there."""
        if request.transport is None or request.transport.is_closing():
            self.ledger.abandoned += 1
        else:
            tokens = None if answer.fault == "no_usage" else answer.tokens
            self.ledger.sell(digest, tokens, cost_of(answer) if self.options.cost else 0.0)

    async def deliver(
        self, request: web.Request, dialect: Any, body: dict, answer: Answer, fault: str | None, headers: dict[str, str]
    ) -> web.StreamResponse:
        """Send an answer to its last byte, or in the way of the fault."""
        options = self.options
        if body.get("stream"):
            headers |= {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
            events = dialect.events(body, answer, options)
            if fault in PARTLY:
                pieces = partial_stream(fault, dialect, body, answer, events)
                return await send_partly(request, fault, pieces, headers)
            response = await send(request, [event.encode() for event in events], headers, options.chunk_delay)
        else:
            whole = json.dumps(dialect.render(body, answer, options), separators=(",", ":")).encode()
            headers |= {"Content-Type": "application/json"}
            if fault in PARTLY:
                pieces = partial_body(fault, dialect, body, answer, whole)
                return await send_partly(request, fault, pieces, headers)
            response = web.Response(body=whole, headers=headers)
            await response.prepare(request)
        await response.write_eof()
        return response

    def extras_of(self, body: dict) -> Any:
        """What the fields beside the content of this conversation's answers were, by turn."""

        def extras(turn: int) -> dict[str, Any]:
            problem = self.answers.problem_of(wire_chat.asked(body, self.options).first)
            reasoning = self.answers.reasoning(turn, problem)
            return wire_chat.extras(self.options, reasoning, self.answers.salt(turn, problem))

        return extras

    def stranger(self, request: web.Request, dialect: Any, body: dict) -> Complaint | None:
        """The complaint of a service that doesn't know this key or this model."""
        key = (request.headers.get("Authorization") or request.headers.get("x-api-key") or "").removeprefix("Bearer ")
        if self.options.api_key and key not in self.options.api_key:
            return self.error_of(dialect, body, "auth")
        if self.options.known_model and body.get("model") not in self.options.known_model:
            return self.error_of(dialect, body, "not_found")
        return None

    def error_of(self, dialect: Any, body: dict, fault: str) -> Complaint:
        """An error in the words of the dialect."""
        found = dialect.WORDS.get(fault) or ERRORS[fault][dialect.SIDE]
        return found._replace(message=found.message.replace("{model}", str(body.get("model"))))

    def limited(self, dialect: Any, body: dict, limit: Limited) -> Complaint:
        """What is said to a request above the limits."""
        found = self.error_of(dialect, body, "rate_limit")
        if dialect.SIDE:
            return found
        short = {"requests": "RPM", "tokens": "TPM"}[limit.what]
        where = f"for {body.get('model')} in organization org-test on {limit.what} per min ({short})"
        if limit.seconds == math.inf:
            said = f"Request too large {where}: Limit {limit.limit}, Requested {limit.asked}."
        else:
            used = f"Limit {limit.limit}, Requested {limit.asked}"
            said = f"Rate limit reached {where}: {used}. Please try again in {limit.seconds:.3f}s."
        return found._replace(message=said, type=limit.what)

    def later(self, limit: Limited) -> dict[str, str]:
        """When to come back: whole seconds, at least one."""
        if self.options.no_retry_after or limit.seconds == math.inf:
            return {}
        return {"Retry-After": str(max(1, math.ceil(limit.seconds)))}

    def refuse(
        self, dialect: Any, complaint: Complaint, counted_as: str, headers: dict[str, str] | None = None
    ) -> web.Response:
        """An error of the service."""
        self.statuses[counted_as] += 1
        self.ledger.refused += 1
        headers = headers or self.headers(dialect)
        return web.json_response(dialect.error(complaint), status=complaint.status, headers=headers)

    def headers(self, dialect: Any) -> dict[str, str]:
        """What every response carries."""
        name = "request-id" if dialect.SIDE else "x-request-id"
        found = {name: f"req_{self.requests}"}
        return found | self.limits.headers(anthropic=bool(dialect.SIDE)) if self.options.rate_headers else found

    async def models(self, request: web.Request) -> web.Response:
        """`GET /v1/models`, in the dialect that the headers show."""
        names = self.options.known_model or ["test-model"]
        if "anthropic-version" in request.headers:
            more = {"type": "model", "created_at": "2026-01-01T00:00:00Z", "lifecycle": "active"}
            rows = [{"id": name, "display_name": name, **more} for name in names]
            return web.json_response({"data": rows, "has_more": False, "first_id": names[0], "last_id": names[-1]})
        rows = [{"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "test"} for name in names]
        return web.json_response({"object": "list", "data": rows})

    async def html(self, _request: web.Request) -> web.Response:
        """Where a redirect leads."""
        return web.Response(text=HTML, content_type="text/html")

    async def control(self, request: web.Request) -> web.Response:
        """`GET /control`: counts, bodies, keys; `?brief` without the last two."""
        found = {
            "requests": self.requests,
            "statuses": self.statuses,
            "under_way": self.under_way,
            "most_under_way": self.most_under_way,
            **self.batches.report(),
            **self.ledger.report(),
        }
        if "brief" not in request.query:
            found |= {"bodies": list(self.bodies), "keys": list(self.keys)}
        return web.json_response(found)

    async def change(self, request: web.Request) -> web.Response:
        """`POST /control`: other options from now on, by their names; `reset` first forgets all that was."""
        wanted = await request.json()
        if wanted.pop("reset", False):
            self.forget()
        for name, value in wanted.items():
            if not hasattr(self.options, name):
                return web.json_response({"error": f"no option {name}"}, status=400)
            setattr(self.options, name, value)
        if {"fault", "random_fault"} & wanted.keys():
            self.answers.prepare()
        if RATES & wanted.keys():
            self.limits = Limits(self.options)
        return web.json_response({})


class Served:
    """A running server, as a test sees it."""

    def __init__(self, process: subprocess.Popen, port: int) -> None:
        self.process = process
        self.root = f"http://127.0.0.1:{port}"
        self.url = f"{self.root}/v1"

    def seen(self, *, brief: bool = False) -> dict:
        """What the server was asked so far; `brief` leaves bodies and keys out."""
        address = f"{self.root}/control" + ("?brief" if brief else "")
        with urllib.request.urlopen(address, timeout=30) as response:  # noqa: S310 - loopback
            return json.load(response)

    def change(self, **options) -> None:
        """Other options from now on; `reset=True` first forgets what was asked and what was changed."""
        body = json.dumps(options).encode()
        with urllib.request.urlopen(f"{self.root}/control", data=body, timeout=30):  # noqa: S310 - loopback
            pass

    def post(self, dialect: str, body: dict, *, times: int = 1, gap: float = 0.0, timeout: float = 10.0, **headers):
        """Status, headers and text of answers as they come over the socket, or the error's name; each `gap` s later."""

        async def one(client, n):
            await asyncio.sleep(gap * n)
            try:
                async with client.post(f"{self.url}/{dialect}", json=body, headers=headers) as response:
                    return response.status, response.headers, await response.text()
            except (ClientError, TimeoutError) as error:
                return type(error).__name__, {}, ""

        async def run():
            async with ClientSession(timeout=ClientTimeout(total=timeout)) as client:
                return await asyncio.gather(*[one(client, n) for n in range(times)])

        return asyncio.run(run())


@contextmanager
def serving(*, problems: Path | None = None, **options):
    """Start a server of its own process; options as on the command line, lists are repeated."""
    command = [sys.executable, "-m", "test_scripts.model_server", "--port", "0", "--until-eof"]
    for name, value in {"problems": problems, **options}.items():
        for item in value if isinstance(value, list) else [value]:
            if item is not None and item is not False:
                command += [f"--{name.replace('_', '-')}"] + ([] if item is True else [str(item)])
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield Served(process, int(process.stdout.readline()))
        finally:
            process.kill()


async def serve(options: argparse.Namespace) -> None:
    """Serve until killed; prints the port once it listens."""
    server = ModelServer(options)
    app = web.Application(client_max_size=1 << 30)
    app.add_routes([web.post(path, server.complete) for path in DIALECTS])
    app.add_routes(server.batches.routes())
    app.add_routes([web.get("/v1/models", server.models), web.get("/html", server.html)])
    app.add_routes([web.get("/control", server.control), web.post("/control", server.change)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", options.port, backlog=1024)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    over = asyncio.Event()
    if options.until_eof:
        asyncio.get_running_loop().add_reader(0, lambda: os.read(0, 1024) or over.set())
    await over.wait()


if __name__ == "__main__":
    asyncio.run(serve(read_options()))
