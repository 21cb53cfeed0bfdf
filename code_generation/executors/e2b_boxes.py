"""E2B's code interpreter, by its own SDK (extra `e2b`): sandboxes without internet, billed by the second."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any

from code_generation.errors import ConfigError
from code_generation.executors.services import SESSION_S, Fault, RemoteExecutor, Session
from code_generation.extras import require

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "E2B_API_KEY"
SECOND_USD = 2 * 0.000014 + 0.5 * 0.0000045
"""Price of a second of the default sandbox: 2 vCPU and 512 MiB."""
BUSY_S = 5.0
"""Seconds to wait where the service says that it is too much, but not until when."""
UNAUTHORIZED, FORBIDDEN = 401, 403
SHOWN = 200
STOP_S = 10.0


def e2b_executor(*, workers: int | None = None, url: str | None = None) -> RemoteExecutor:
    """The executor `e2b`; the key is that of the environment, an own `url` needs none.

    Raises:
        ConfigError: there is no key, or the package is not installed.
    """
    package = require("e2b_code_interpreter", "e2b")
    if url is None and not os.environ.get(KEY):
        msg = f"the executor e2b needs a key: set {KEY}"
        raise ConfigError(msg)
    return RemoteExecutor(E2B(package, url), workers=workers)


class E2B:
    """The service."""

    name = "e2b"

    def __init__(self, package: Any, url: str | None) -> None:
        """`url`: of another installation, for its management and its sandboxes."""
        self._package = package
        self._options: dict[str, Any] = {"retries": 0}
        if url is not None:
            self._options |= {"api_url": url, "sandbox_url": url, "validate_api_key": False}
            self._options |= {} if os.environ.get(KEY) else {"api_key": "none"}
        self._running: dict[int, float] = {}
        self._seconds = 0.0
        self.sessions = 0

    @property
    def cost_usd(self) -> float:
        """By the price of a second, those that still run included."""
        running = sum(time.monotonic() - started for started in self._running.values())
        return round((self._seconds + running) * SECOND_USD, 6)

    async def open(self) -> None:
        """Nothing to be done before the first sandbox."""

    async def start(self) -> Session:
        """A new sandbox."""
        with self._translated("no sandbox"):
            sandbox = await self._package.AsyncSandbox.create(
                timeout=int(SESSION_S) + 300, allow_internet_access=False, **self._options
            )
        self.sessions += 1
        session = Session(sandbox)
        self._running[id(session)] = session.started
        return session

    async def execute(self, session: Session, code: str, limit_s: float) -> str:
        """Run code and return what it printed; see `services.Service`."""
        with self._translated("a sandbox failed"):
            done = await session.handle.run_code(code, timeout=limit_s)
        if done.error is not None:
            msg = f"e2b: what we sent did not run: {done.error.name}: {done.error.value}"[:SHOWN]
            raise Fault(msg)
        return "".join(done.logs.stdout)

    async def stop(self, session: Session) -> None:
        """End the sandbox, and what it costs; one that can't be reached ends by itself."""
        self._seconds += time.monotonic() - self._running.pop(id(session), time.monotonic())
        with contextlib.suppress(Exception):
            await session.handle.kill(request_timeout=STOP_S)

    async def close(self) -> None:
        """Nothing is kept open."""

    @contextlib.contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """What the SDK raises, as a fault."""
        try:
            yield
        except Exception as e:  # noqa: BLE001 - what a transport under the SDK raises is a fault as well
            name = type(e).__name__
            status = getattr(e, "status_code", None)
            hopeless = name == "AuthenticationException" or status in {UNAUTHORIZED, FORBIDDEN}
            busy = name in {"RateLimitException", "ServiceBusyException"}
            msg = f"e2b: {what}: {str(e)[:SHOWN] or name}"
            raise Fault(msg, after_s=BUSY_S if busy else 0.0, hopeless=hopeless, session_lost=not busy) from None
