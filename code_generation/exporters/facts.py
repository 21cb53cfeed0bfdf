"""What `--where` may ask of a result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from code_generation.exporters.conversation import Conversation
    from code_generation.models import JsonValue


def _last_chars(conversation: Conversation) -> int:
    history = conversation.result.full_message_history
    return len(history[-1].content) if history else 0


def _certified(conversation: Conversation, name: str) -> str | None:
    certificate = conversation.result.certificate
    return getattr(certificate, name) if certificate else None


FIELDS: dict[str, tuple[str, Callable[[Conversation], JsonValue]]] = {
    "problem_id": ("id of the problem", lambda c: c.result.problem.problem_id),
    "model": ("name of the model", lambda c: c.metadata.get("model")),
    "provider": ("row of the provider table", lambda c: c.metadata.get("provider")),
    "prompt_id": ("opening prompt", lambda c: c.metadata.get("prompt_id")),
    "system_prompt_id": ("system prompt", lambda c: c.metadata.get("system_prompt_id")),
    "temperature": ("as asked for", lambda c: c.metadata.get("temperature")),
    "sample_index": ("from 0", lambda c: c.metadata.get("sample_index", 0)),
    "criterion": ("of the run", lambda c: c.metadata.get("criterion")),
    "ended": ("why the conversation ended", lambda c: c.metadata.get("ended")),
    "verified": ("every test passed", lambda c: c.result.verified),
    "verified_by": ("tests or a harness", lambda c: c.verified_by),
    "n_turns": ("answers", lambda c: len(c.result.attempts)),
    "finish_reason": (
        "of the last answer",
        lambda c: c.result.attempts[-1].finish_reason if c.result.attempts else None,
    ),
    "first_status": ("first status of the first answer", lambda c: c.turns[0].status if c.turns else None),
    "n_tests": ("tests of the problem", lambda c: len(c.result.problem.test_cases)),
    "difficulty": ("of the problem", lambda c: c.result.problem.metadata.get("difficulty")),
    "source": ("data set of the problem", lambda c: c.result.problem.metadata.get("source")),
    "split": ("of the problem", lambda c: c.result.problem.metadata.get("split")),
    "func_name": ("null for programs that read stdin", lambda c: c.result.problem.func_name),
    "statement": ("text of the problem", lambda c: c.result.problem.problem),
    "statement_chars": ("length of the statement", lambda c: len(c.result.problem.problem)),
    "code_chars": ("length of the final code", lambda c: len(c.result.final_code or "")),
    "code_lines": ("lines of the final code", lambda c: len((c.result.final_code or "").splitlines())),
    "answer_chars": ("length of the last answer", _last_chars),
    "input_tokens": ("of all turns", lambda c: c.result.usage.input_tokens),
    "output_tokens": ("of all turns", lambda c: c.result.usage.output_tokens),
    "reasoning_tokens": ("of all turns", lambda c: c.result.usage.reasoning_tokens),
    "cost_usd": ("of all turns", lambda c: c.result.cost_usd),
    "latency_s": ("of all turns", lambda c: sum(a.latency_s for a in c.result.attempts)),
    "isolation": ("level that the tests ran under", lambda c: _certified(c, "isolation")),
    "executor": ("that ran the tests", lambda c: _certified(c, "executor")),
}
"""Name to (what it is, how it is found)."""
OF_PROBLEM = {"samples": "samples of the problem in all files", "pass_rate": "share of them that is proven, 0 to 1"}
"""Need all files read before."""
KNOWN: dict[str, object] = {
    **{name: says for name, (says, _) in FIELDS.items()},
    **OF_PROBLEM,
    "metadata.*": "metadata of the problem",
    "generation_metadata.*": "metadata of the run",
}


def facts_of(conversation: Conversation, names: Iterable[str]) -> dict[str, Any]:
    """The facts of these names, and those only."""
    facts: dict[str, Any] = {name: FIELDS[name][1](conversation) for name in names if name in FIELDS}
    tops = {name.partition(".")[0] for name in names}
    if "metadata" in tops:
        facts["metadata"] = conversation.result.problem.metadata
    if "generation_metadata" in tops:
        facts["generation_metadata"] = conversation.metadata
    return facts
