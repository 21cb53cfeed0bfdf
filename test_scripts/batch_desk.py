"""What tests of the batch APIs share: each service's lines, and how they are submitted and read."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import time
from contextlib import asynccontextmanager

from code_generation.providers.batch_apis import open_batch_api
from code_generation.providers.endpoints import ModelOptions, choose_model

CASES = {
    "openai": ("custom", "chat", "openai"),
    "openai-responses": ("custom", "responses", "openai"),
    "together": ("together", "chat", "together"),
    "anthropic": ("custom", "messages", "openai"),
}
PATHS = {"chat": "chat/completions", "responses": "responses", "messages": "messages"}
HELD = 30.0  # seconds that a batch takes which is not to end within a test


class Desk:
    """One service's batches, as a test uses them."""

    def __init__(self, case: str, server=None) -> None:
        """Without a server, where every address is given."""
        self.case = case
        self.provider, self.dialect, style = CASES[case]
        self.server = server
        self.of_files = case != "anthropic"
        self.notes: list[tuple[str, str]] = []
        self.since = time.time()
        if server:
            server.change(reset=True, batch_style=style)

    def body(self, said: str) -> dict:
        messages = [{"role": "user", "content": said}]
        if self.dialect == "responses":
            return {"model": "m", "input": messages}
        return {"model": "m", "messages": messages} | ({"max_tokens": 99} if self.dialect == "messages" else {})

    def lines(self, number: int, size: int = 0) -> list:
        """So many lines, no two alike."""
        bodies = [self.body(f"{self.case} {n}" + "x" * size) for n in range(number)]
        return [(hashlib.sha256(json.dumps(body).encode()).hexdigest(), body) for body in bodies]

    @asynccontextmanager
    async def open(self, key: str | None = None, address: str | None = None):
        options = ModelOptions(
            model="m", provider=self.provider, base_url=address or self.server.url, dialect=self.dialect
        )
        choice = choose_model(options, {})
        api = open_batch_api(dataclasses.replace(choice, api_key=key) if key else choice, timeout_s=10)
        try:
            yield api
        finally:
            await api.close()

    async def note(self, what: str, name: str) -> None:
        self.notes.append((what, name))

    def find(self, api, lines, **changed):
        file_id = self.notes[-1][1] if self.notes else None
        given = {"file_id": file_id, "lines": len(lines), "custom_ids": {k for k, _ in lines}, "since": self.since}
        return api.find("tag-1", **given | changed)

    def counts(self, *names) -> list[int]:
        seen = self.server.seen(brief=True)
        return [seen[name] for name in names]


async def read(api, batch_id: str, found: list | None = None) -> list:
    """All results; where they break off, those so far are in `found`."""
    found = [] if found is None else found
    async for line in api.results(batch_id):
        found.append(line)
    return found


async def ended(api, batch_id: str):
    while True:
        state = await api.state(batch_id)
        if state.status == "ended":
            return state
        await asyncio.sleep(0.02)


def conversation(desk, lines, *, key: str | None = None, results: bool = True):
    """Submit lines, wait, and read what became of them: the batch's id, its last state, its results."""

    async def run():
        async with desk.open(key) as api:
            batch_id = await api.submit("tag-1", lines, desk.note)
            state = await ended(api, batch_id)
            return batch_id, state, (await read(api, batch_id) if results else [])

    return asyncio.run(run())
