"""What tests of a service share: how one is made in each dialect, and asked."""

from __future__ import annotations

import asyncio

from code_generation.models import Message, Request, Sampling
from code_generation.providers.chat_dialect import ChatDialect
from code_generation.providers.dialect import Wire
from code_generation.providers.messages_dialect import MessagesDialect
from code_generation.providers.responses_dialect import ResponsesDialect
from code_generation.providers.service import Service

KEY = "sk-proj-0123456789abcdef"
DIALECTS = {"chat": ChatDialect(), "responses": ResponsesDialect(), "messages": MessagesDialect()}


def question(text: str = "Hi", **sampling) -> Request:
    return Request(messages=[Message(role="user", content=text)], sampling=Sampling(**sampling), problem_id="p")


def made(url: str, dialect: str = "chat", *, stream: bool = True, parameters=None, **options) -> Service:
    """A service at an address that ends in `/v1`, as it wants to be addressed in a dialect."""
    root = url.removesuffix("/v1") if dialect == "messages" else url
    wire = Wire(model="m", stream=stream, parameters=parameters or {})
    return Service(DIALECTS[dialect], wire, **{"name": "here", "base_url": root, "api_key": KEY} | options)


def ask(url: str, *requests: Request, **options):
    """The answers to questions that are asked one after the other; one answer to the usual question."""

    async def run():
        service = made(url, **options)
        try:
            return [await service.ask(r) for r in requests or [question()]]
        finally:
            await service.close()

    answers = asyncio.run(run())
    return answers if requests else answers[0]
