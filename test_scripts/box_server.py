"""A loopback server that runs code as Together's Code Interpreter and as E2B do, with faults on demand.

    python box_server.py --port 0

prints its port. `POST /tci/execute` is Together's wire format; `POST /v2/sandboxes`, `POST /execute` and
`DELETE /sandboxes/{id}` are E2B's. `GET /control` tells what was asked, `POST /control` sets faults. In tests:
`with serving(fault=["rate_limit"]) as server: ...`. It contains nothing: what it runs is the tests' own code.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import urllib.request
import uuid
from contextlib import contextmanager, suppress

from aiohttp import web

STATUSES = {"rate_limit": 429, "server_error": 500, "unavailable": 503, "auth": 401, "gone": 404}
FAULTS = (*STATUSES, "garbage", "wrong_json", "expired", "raised", "silent", "noise", "hang", "drop", "forged")


class BoxServer:
    """The state of one server: its sessions, what it was asked, what it is to get wrong."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.faults = list(options.fault)
        self.forever = options.forever
        self.only_v1 = options.only_v1
        self.sessions: dict[str, int] = {}
        self.stopped: list[str] = []
        self.bodies: list[str] = []
        self.keys: list[str] = []
        self.busy: dict[str, int] = {}
        self.most_busy = 0

    def fault(self) -> str:
        """What is to go wrong with this request."""
        if self.forever and len(self.faults) == 1:
            return self.faults[0]
        return self.faults.pop(0) if self.faults else ""

    async def broken(self, request: web.Request, fault: str) -> web.StreamResponse | None:
        """The answer to a request that goes wrong at the level of HTTP."""
        if fault in STATUSES:
            headers = {"Retry-After": "0.1"} if fault == "rate_limit" else {}
            return web.json_response(
                {"code": STATUSES[fault], "message": fault}, status=STATUSES[fault], headers=headers
            )
        if fault == "hang":
            await asyncio.sleep(3600)
        if fault == "drop":
            request.transport.close()
            return web.Response()
        if fault == "garbage":
            return web.Response(text="<html>Bad gateway</html>")
        if fault == "wrong_json":
            return web.json_response([1, {"data": {}}])
        return None

    async def run(self, session: str, code: str, fault: str) -> tuple[str, str]:
        """What code printed, and the error that it ended with."""
        if fault == "silent":
            return "", ""
        if fault == "noise":
            return "hello\nworld\n", ""
        if fault == "raised":
            return "", "OSError: [Errno 28] No space left on device"
        self.busy[session] = self.busy.get(session, 0) + 1
        self.most_busy = max(self.most_busy, *self.busy.values())
        with tempfile.TemporaryDirectory() as folder:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-", cwd=folder, env={"PATH": "/usr/bin:/bin", "TMPDIR": folder},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            try:
                out, err = await asyncio.wait_for(process.communicate(code.encode()), 300)
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
                self.busy[session] -= 1
        text = out.decode()
        if fault == "forged":
            text = text[:40] + "x" + text[41:]
        return text, err.decode() if process.returncode else ""

    async def together(self, request: web.Request) -> web.StreamResponse:
        """`POST /tci/execute`."""
        if self.only_v1 and not request.path.startswith("/v1/"):
            return web.Response(status=404)
        body = await request.text()
        self.bodies.append(body)
        self.keys.append(request.headers.get("Authorization", ""))
        asked, fault = json.loads(body), self.fault()
        if (answer := await self.broken(request, fault)) is not None:
            return answer
        session = asked.get("session_id") or f"ses_{uuid.uuid4().hex}"
        if fault == "expired" or ("session_id" in asked and session not in self.sessions):
            self.sessions.pop(session, None)
            return web.json_response({"data": None, "errors": [f"session {session} not found or expired"]})
        self.sessions[session] = self.sessions.get(session, 0) + 1
        printed, error = await self.run(session, asked["code"], fault)
        half = len(printed) // 2
        outputs = [{"type": "stdout", "data": part} for part in (printed[:half], printed[half:])]
        outputs += [{"type": "error", "data": error}] if error else []
        data = {"session_id": session, "status": "success", "outputs": outputs}
        return web.json_response({"errors": None, "data": data})

    async def create(self, request: web.Request) -> web.StreamResponse:
        """`POST /v2/sandboxes`."""
        self.bodies.append(await request.text())
        self.keys.append(request.headers.get("X-API-Key", ""))
        if (answer := await self.broken(request, self.fault())) is not None:
            return answer
        session = uuid.uuid4().hex
        self.sessions[session] = 0
        made = {"sandboxID": session, "templateID": "t", "clientID": "c", "envdVersion": "0.4.0"}
        return web.json_response(made, status=201)

    async def execute(self, request: web.Request) -> web.StreamResponse:
        """`POST /execute`, of the sandbox that the header names: a stream of JSON lines."""
        body = await request.text()
        self.bodies.append(body)
        session, fault = request.headers["E2b-Sandbox-Id"], self.fault()
        if (answer := await self.broken(request, fault)) is not None:
            return answer
        if fault == "expired" or session not in self.sessions:
            self.sessions.pop(session, None)
            return web.json_response({"message": "The sandbox was not found"}, status=502)
        self.sessions[session] += 1
        response = web.StreamResponse()
        await response.prepare(request)
        printed, error = await self.run(session, json.loads(body)["code"], fault)
        half = len(printed) // 2
        for part in (printed[:half], printed[half:]):
            await response.write(json.dumps({"type": "stdout", "text": part, "timestamp": 0}).encode() + b"\n")
        if error:
            said = {"type": "error", "name": "OSError", "value": error, "traceback": error}
            await response.write(json.dumps(said).encode() + b"\n")
        await response.write(b'{"type": "number_of_executions", "execution_count": 1}\n')
        return response

    async def kill(self, request: web.Request) -> web.StreamResponse:
        """`DELETE /sandboxes/{id}`."""
        self.stopped.append(request.match_info["id"])
        self.sessions.pop(self.stopped[-1], None)
        return web.Response(status=204)

    async def control(self, request: web.Request) -> web.StreamResponse:
        """What was asked; with a body, what is to go wrong from now on."""
        if request.method == "POST":
            asked = await request.json()
            self.faults, self.forever = asked.get("faults", self.faults), asked.get("forever", False)
            if asked.get("expire"):
                self.sessions.clear()
        return web.json_response(
            {"bodies": self.bodies, "keys": self.keys, "sessions": self.sessions, "stopped": self.stopped,
             "most_busy": self.most_busy}
        )  # fmt: skip


class Served:
    """A server that runs, seen from a test."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def control(self, **change) -> dict:
        data = json.dumps(change).encode() if change else None
        with urllib.request.urlopen(f"{self.url}/control", data, timeout=10) as response:  # noqa: S310
            return json.load(response)


@contextmanager
def serving(*, fault: list[str] = (), forever: bool = False, only_v1: bool = False):
    """Start a server of its own process."""
    command = [sys.executable, __file__, "--port", "0"]
    command += [f"--fault={f}" for f in fault] + ["--forever"] * forever + ["--only-v1"] * only_v1
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Served(int(process.stdout.readline()))
        finally:
            process.kill()


async def serve(options: argparse.Namespace) -> None:
    """Serve until killed; prints the port once it listens."""
    server = BoxServer(options)
    app = web.Application(client_max_size=1 << 30)
    app.add_routes(
        [
            web.post("/tci/execute", server.together),
            web.post("/v1/tci/execute", server.together),
            web.post("/v2/sandboxes", server.create),
            web.post("/execute", server.execute),
            web.delete("/sandboxes/{id}", server.kill),
            web.route("*", "/control", server.control),
        ]
    )
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", options.port, backlog=1024).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fault", action="append", default=[], choices=FAULTS, help="one request each, in order")
    parser.add_argument("--forever", action="store_true", help="the last fault stays")
    parser.add_argument("--only-v1", action="store_true", help="Together's service stands at /v1 only")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
