"""The Chat Completions dialect over the openai SDK: OpenAI and everything that speaks like it (vLLM, Ollama,
Together, ...).

The SDK owns authentication, URLs and connections; its retries are off (`retry` has them) and the raw body is read,
since compatible servers leave out or add fields.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import openai

from code_generation.errors import AuthFailed, ContextOverflow, ProviderError, RateLimited, RequestRejected
from code_generation.jsonl import decode
from code_generation.literals import shorten
from code_generation.models import Completion, Usage

if TYPE_CHECKING:
    from code_generation.models import Message, Request
    from code_generation.providers import ModelChoice

CONNECTIONS = 1000
OVERFLOW_CODES = {"context_length_exceeded", "string_above_max_length"}
OVERFLOW_WORDS = ("maximum context length", "context length", "context window", "too many tokens", "prompt is too long")
REFUSED_CODES = {"content_filter", "content_policy_violation"}


class ChatProvider:
    """One model of one service."""

    def __init__(self, choice: ModelChoice, *, timeout_s: float = 600.0) -> None:
        """`timeout_s` bounds one whole answer: the SDK's own timeout starts anew with every byte."""
        assert choice.endpoint is not None  # noqa: S101 - for the type checker; offline models have their own classes
        self.name = choice.provider
        self.model = choice.model
        self._address = choice.endpoint.base_url or "the OpenAI API"
        self._timeout_s = timeout_s
        limits: Any = openai.DefaultAioHttpClient
        self._client = openai.AsyncOpenAI(
            api_key=choice.api_key,
            base_url=choice.endpoint.base_url,
            max_retries=0,
            timeout=timeout_s,
            http_client=limits(),
        )

    async def complete(self, request: Request) -> Completion:
        """One call, one answer; see `protocols.Provider.complete`."""
        sampling = request.sampling
        given: dict[str, Any] = {
            "temperature": sampling.temperature,
            "max_completion_tokens": sampling.max_tokens,
            "seed": sampling.seed,
        }
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                raw = await self._client.chat.completions.with_raw_response.create(
                    model=self.model,
                    messages=[_message(m) for m in request.messages],
                    **{k: v for k, v in given.items() if v is not None},
                )
                body = raw.http_response.text
        except TimeoutError:
            msg = f"{self._address} gave no answer within {self._timeout_s:g} s"
            raise ProviderError(msg) from None
        except openai.APIStatusError as e:
            refusal = _refusal_of(e)
            if refusal is None:
                raise self._translate(e) from None
            return Completion(
                text="", finish_reason="content_filter", model=self.model, usage=Usage(), cost_usd=None,
                latency_s=time.monotonic() - started, refusal=refusal,
            )  # fmt: skip
        except openai.APIConnectionError as e:
            msg = f"{self._address} can't be reached: {e.__cause__ or e}"
            raise ProviderError(msg) from None
        return _parse(body, self.model, time.monotonic() - started)

    def _translate(self, e: openai.APIStatusError) -> ProviderError:
        """Our error for an HTTP status; the only place that knows the SDK's."""
        said = shorten(str(e.message), 300)
        text = f"{self._address} answered {e.status_code}: {said}"
        if e.status_code == 429:  # noqa: PLR2004
            if e.code == "insufficient_quota":
                return AuthFailed(f"{text} (the account's quota is used up)")
            return RateLimited(text, _retry_after(e))
        if e.status_code in {401, 402, 403}:
            return AuthFailed(f"{text} (check the key and the account)")
        if e.status_code == 404:  # noqa: PLR2004
            return AuthFailed(f"{text} (check the model name {self.model!r} and the address)")
        if e.code in OVERFLOW_CODES or (e.status_code in {400, 413} and any(w in said.lower() for w in OVERFLOW_WORDS)):
            return ContextOverflow(text)
        if e.status_code in {400, 413, 422}:
            return RequestRejected(text)
        return ProviderError(text)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _message(message: Message) -> Any:
    text = message.content.encode("utf-8", "surrogatepass").decode("utf-8", "replace")  # JSON on the wire is UTF-8
    return {"role": message.role, "content": text}


def _refusal_of(e: openai.APIStatusError) -> str | None:
    """Some services refuse with an error instead of an answer."""
    return str(e.code) if e.code in REFUSED_CODES else None


def _retry_after(e: openai.APIStatusError) -> float | None:
    for header, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return float(e.response.headers[header]) * unit
        except (KeyError, ValueError):
            continue
    return None


def _parse(body: str, model: str, latency_s: float) -> Completion:
    """Read the body of a chat completion.

    Raises:
        ProviderError: it is none (an HTML page with status 200, an empty body): nothing was answered.
    """
    try:
        data = decode(body)
        choice = data["choices"][0]
        message = choice["message"]
        content = message.get("content")
    except (ValueError, LookupError, TypeError, AttributeError):
        msg = f"the answer is no chat completion: {shorten(body.strip(), 200)!r}"
        raise ProviderError(msg) from None
    if isinstance(content, list):
        content = "".join(part.get("text") or "" for part in content if isinstance(part, dict))
    finish_reason = choice.get("finish_reason")
    refusal = message.get("refusal") or ("content_filter" if finish_reason == "content_filter" else None)
    more = {k: v for k, v in message.items() if k not in {"role", "content"} and v}
    usage = data.get("usage") or {}
    cost = usage.get("cost")
    return Completion(
        text=content or "",
        finish_reason=finish_reason,
        model=str(data.get("model") or model),
        usage=_usage(usage),
        cost_usd=float(cost) if isinstance(cost, int | float) and not isinstance(cost, bool) else None,
        latency_s=latency_s,
        blocks=[message] if more or not isinstance(message.get("content"), str) else None,
        refusal=refusal,
    )


def _usage(usage: dict[str, Any]) -> Usage:
    """Every level is optional: compatible servers leave them out."""
    read = usage.get("prompt_tokens_details") or {}
    written = usage.get("completion_tokens_details") or {}
    return Usage(
        input_tokens=usage.get("prompt_tokens"),
        output_tokens=usage.get("completion_tokens"),
        cached_input_tokens=read.get("cached_tokens"),
        reasoning_tokens=written.get("reasoning_tokens"),
    )
