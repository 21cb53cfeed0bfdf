"""Together's Code Interpreter: `POST {url}/tci/execute`, over plain HTTP.

A 200 may hold a failure (`data` null, `errors` a list), and code that raised is a success with an output of type
`error`. There is no limit on time, no way to stop a run, and a session is billed as a whole, so a session that does not
answer is left alone and a new one is begun.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from code_generation.errors import ConfigError
from code_generation.executors.services import Fault, RemoteExecutor, Session

if TYPE_CHECKING:
    import aiohttp

URL = "https://api.together.ai"
URL_VARIABLE = "TOGETHER_BASE_URL"
"""As of Together's own SDK; it may end in /v1."""
PATHS = ("/tci/execute", "/v1/tci/execute")
"""Where the service has stood; the second is tried where there is nothing at the first."""
KEY = "TOGETHER_API_KEY"
SESSION_USD = 0.03
BAD_REQUEST, TOO_MANY, SERVER_ERROR, NOT_FOUND, TIMED_OUT = 400, 429, 500, 404, 408
SHOWN = 200


def together_executor(*, workers: int | None = None, url: str | None = None) -> RemoteExecutor:
    """The executor `together`; the key is that of the environment, an own `url` needs none.

    Raises:
        ConfigError: there is no key.
    """
    url = url or os.environ.get(URL_VARIABLE, "").removesuffix("/").removesuffix("/v1") or None
    if url is None and not os.environ.get(KEY):
        msg = f"the executor together needs a key: set {KEY}"
        raise ConfigError(msg)
    if url is not None and not url.startswith(("http://", "https://")):
        msg = f"the address of a service begins with http:// or https://, got {url!r}"
        raise ConfigError(msg)
    return RemoteExecutor(Together(url or URL, os.environ.get(KEY)), workers=workers)


class Unreachable(Fault):
    """Nothing was sent."""


class Together:
    """The service."""

    name = "together"

    def __init__(self, url: str, key: str | None) -> None:
        """`url` without the path, or with it."""
        base = url.rstrip("/")
        self._urls = [base] if base.endswith("/execute") else [base + path for path in PATHS]
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http: aiohttp.ClientSession | None = None
        self.sessions = 0

    @property
    def cost_usd(self) -> float:
        """By the price of a session."""
        return round(self.sessions * SESSION_USD, 6)

    async def open(self) -> None:
        """Make ready to be called."""
        import aiohttp  # noqa: PLC0415 - who runs code here pays for it

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=30)
        self._http = aiohttp.ClientSession(headers=self._headers, timeout=timeout)

    async def start(self) -> Session:
        """A session that begins with its first call."""
        return Session()

    async def execute(self, session: Session, code: str, limit_s: float) -> str:  # noqa: ARG002 - there is none here
        """Run code and return what it printed; see `services.Service`."""
        body = {"language": "python", "code": code}
        if session.handle:
            body["session_id"] = session.handle
        else:
            self.sessions += 1  # it may have begun though no answer comes
        try:
            status, headers, text = await self._post(body)
        except Unreachable:
            self.sessions -= not session.handle
            raise
        if status >= BAD_REQUEST:
            if not session.handle:
                self.sessions -= 1
            raise _refusal(status, headers, text)
        try:
            reply = json.loads(text)
            data, errors = reply.get("data"), reply.get("errors")
            if not data:
                msg = f"together: {_shown(errors)}"
                raise Fault(msg)
            session.handle = str(data["session_id"])
            outputs = [(str(o["type"]), o["data"]) for o in data["outputs"]]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            msg = f"together gave an answer that can't be read: {text[:SHOWN]!r}"
            raise Fault(msg) from None
        raised = next((d for kind, d in outputs if kind == "error"), None)
        if raised is not None:
            msg = f"together: what we sent did not run: {_shown(raised)}"
            raise Fault(msg)
        return "".join(str(d) for kind, d in outputs if kind == "stdout")

    async def _post(self, body: dict[str, Any]) -> tuple[int, Any, str]:
        import aiohttp  # noqa: PLC0415

        assert self._http is not None  # noqa: S101 - open, for the type checker
        try:
            for number, url in enumerate(self._urls):
                async with self._http.post(url, json=body) as response:
                    if response.status == NOT_FOUND and number < len(self._urls) - 1:
                        continue
                    self._urls = [url]
                    return response.status, response.headers, await response.text(errors="replace")
        except aiohttp.ClientConnectorError as e:
            msg = f"together can't be reached: {e}"
            raise Unreachable(msg) from None
        except (aiohttp.ClientError, OSError) as e:
            msg = f"together did not answer: {e or type(e).__name__}"
            raise Fault(msg) from None
        raise AssertionError  # the last address always returns

    async def stop(self, session: Session) -> None:
        """Nothing can be done: a session ends by itself."""

    async def close(self) -> None:
        """Give connections back. Safe to call twice."""
        if self._http is not None:
            await self._http.close()
            self._http = None


def _refusal(status: int, headers: Any, text: str) -> Fault:
    """What an HTTP status means for the next try."""
    try:
        after_s = float(headers.get("Retry-After", 0))
    except ValueError:
        after_s = 0.0
    msg = f"together answered {status}: {text[:SHOWN].strip()}"
    if status in {TOO_MANY, TIMED_OUT}:
        return Fault(msg, after_s=after_s, session_lost=status == TIMED_OUT)
    if status >= SERVER_ERROR:
        return Fault(msg, after_s=after_s)
    return Fault(msg, hopeless=status != NOT_FOUND)  # a session that is over may be a 404


def _shown(errors: Any) -> str:
    return (errors if isinstance(errors, str) else json.dumps(errors))[:SHOWN]
