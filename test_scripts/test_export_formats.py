"""Every training format: what its rows hold, which answers become rows and which never do."""

from __future__ import annotations

from pathlib import Path

import pytest

from code_generation.errors import ConfigError
from code_generation.exporters.conversation import Conversation
from code_generation.exporters.options import ExportOptions
from code_generation.exporters.table import EXPORTERS
from code_generation.exporters.thinking import render_answer, thinking_of, visible_text
from code_generation.jsonl import encode, read_lines
from code_generation.models import HarnessOutcome, Message
from test_scripts.export_rows import (
    HIDDEN,
    code,
    export_of,
    exported,
    literal_rows,
    problem,
    result,
    turn,
    wrong,
)

ROOT = Path(__file__).parents[1]
REPAIRED = (turn(wrong(), passed=False), turn(code(), text="Sorry, now:\n\n{}"))


def content(message: dict) -> str:
    return message["content"]


def every_format() -> list[tuple[str, dict]]:
    return [(name, {}) for name in EXPORTERS] + [
        ("dpo", {"dialect": "openai"}), ("dpo", {"dialect": "together"}), ("self-debug", {"split_turns": True}),
        ("prompt-completion", {"turns": "all"}), ("kto", {"turns": "last"}), ("self-debug", {"single_turn": True}),
    ]  # fmt: skip


def test_the_page_shows_each_format_as_it_is(tmp_path):
    """docs/training.md has a literal row of every format, with the keys that rows have, in their order."""
    shown = literal_rows(ROOT / "docs/training.md")
    assert set(EXPORTERS) <= set(shown)
    for name in EXPORTERS:
        rows = exported(tmp_path, name, result(*REPAIRED))
        assert list(shown[name]) == list(rows[0]), name


def test_prompt_completion_trains_on_the_last_answer(tmp_path):
    """The whole conversation is the prompt, the proven answer the completion, as it was given."""
    (row,) = exported(tmp_path, "prompt-completion", result(*REPAIRED))
    assert [m["role"] for m in row["prompt"]] == ["system", "user", "assistant", "user"]
    assert row["completion"] == [{"role": "assistant", "content": f"Sorry, now:\n\n```python\n{code()}\n```"}]
    assert (row["verified"], row["status"], row["n_turns"]) == (True, "passed", 2)


def test_prompt_completion_of_all_turns_says_each_verdict(tmp_path):
    """With `--turns all` a row an answer; what failed says so, and carries the hash of its own code."""
    first, second = exported(tmp_path, "prompt-completion", result(*REPAIRED), turns="all")
    assert (first["verified"], first["verified_by"], first["status"]) == (False, None, "wrong_answer")
    assert (second["verified"], second["verified_by"], second["status"]) == (True, "tests", "passed")
    assert first["code_sha256"] != second["code_sha256"]


def test_self_debug_weighs_answers(tmp_path):
    """Failed answers have weight 0, the repairing one 1, our messages none; each turn says its verdict."""
    (row,) = exported(tmp_path, "self-debug", result(*REPAIRED))
    assert [m.get("weight") for m in row["messages"]] == [None, None, 0, None, 1]
    assert [(t["turn"], t["verified"], t["n_passed"], t["weight"]) for t in row["turns"]] == [
        (1, False, 1, 0),
        (2, True, 2, 1),
    ]
    (row,) = exported(tmp_path, "self-debug", result(*REPAIRED), failed_weight=1)
    assert [m["weight"] for m in row["messages"] if m["role"] == "assistant"] == [1, 1]


def test_self_debug_wants_a_repair(tmp_path):
    """What was solved at once gives no row, unless asked for; what was never solved none at all."""
    rows, report = export_of(tmp_path, "self-debug", result(), result(turn(wrong(), passed=False)))
    assert (rows, dict(report.left_out)) == ([], {"no_repair": 1, "unverified": 1})
    assert len(exported(tmp_path, "self-debug", result(), single_turn=True)) == 1


def test_self_debug_split_into_turns(tmp_path):
    """Split, only answers with a weight become rows: trainers that know no weights would learn the others."""
    rows = exported(tmp_path, "self-debug", result(*REPAIRED), split_turns=True)
    assert [(r["n_turns"], r["verified"]) for r in rows] == [(2, True)]
    both = exported(tmp_path, "self-debug", result(*REPAIRED), split_turns=True, failed_weight=1)
    assert [r["verified"] for r in both] == [False, True]


def test_dpo_within_a_conversation(tmp_path):
    """The repaired answer is preferred over the first one; both as their code alone, the question their prompt."""
    (row,) = exported(tmp_path, "dpo", result(*REPAIRED))
    assert [m["role"] for m in row["prompt"]] == ["system", "user"]
    assert (content(row["chosen"][0]), content(row["rejected"][0])) == (
        f"```python\n{code()}\n```",
        f"```python\n{wrong()}\n```",
    )
    assert (row["pair"], row["form"], row["rejected_status"], row["rejected_turn"]) == (
        "within", "code", "wrong_answer", 1,
    )  # fmt: skip


def test_dpo_across_samples(tmp_path):
    """First answers of two conversations are paired as they were given, of one problem only."""
    good, bad = result(sample=0), result(turn(wrong(), passed=False), sample=1, model="n")
    other = result(turn(wrong(1), passed=False), of=problem("q", "Double it too."))
    (row,) = exported(tmp_path, "dpo", good, bad, other)
    assert content(row["rejected"][0]).startswith("Here:")
    assert (row["pair"], row["form"], row["rejected_sample_index"], row["rejected_model"]) == (
        "across",
        "whole",
        1,
        "n",
    )
    assert exported(tmp_path, "dpo", good, bad, pairs="within") == []
    assert exported(tmp_path, "dpo", result(*REPAIRED), pairs="across") == []


def test_dpo_pairs_answers_of_like_length(tmp_path):
    """Each proven answer gets the failed one that is nearest in length; what is too far apart is not paired."""
    long = {"text": "{}" + "\nIt is so. " * 60}
    good = [result(sample=0), result(turn(code(1), **long), sample=1)]
    bad = [result(turn(wrong(2), passed=False, **long), sample=2), result(turn(wrong(), passed=False), sample=3)]
    rows = exported(tmp_path, "dpo", *good, *bad)
    assert [(r["sample_index"], r["rejected_sample_index"]) for r in rows] == [(0, 3), (1, 2)]
    assert all(max(a, b) <= 2 * min(a, b) for a, b in [(r["chosen_chars"], r["rejected_chars"]) for r in rows])
    assert exported(tmp_path, "dpo", good[0], bad[0]) == []
    assert len(exported(tmp_path, "dpo", good[0], bad[0], max_length_ratio=None)) == 1


def test_dpo_in_the_dialect_of_services(tmp_path):
    """OpenAI gets its own keys and no others, the rest stands beside it line by line; Together both in one row."""
    rows, report = export_of(tmp_path, "dpo", result(*REPAIRED), dialect="openai")
    assert list(rows[0]) == ["input", "preferred_output", "non_preferred_output"]
    assert list(rows[0]["input"]) == ["messages", "tools", "parallel_tool_calls"]
    ((_, beside),) = read_lines(Path(report.card["output"]["beside"]))
    assert (beside["problem_id"], beside["verified"], beside["pair"]) == ("p", True, "within")
    (row,) = exported(tmp_path, "dpo", result(*REPAIRED), dialect="together")
    assert (row["preferred_output"], row["problem_id"]) == (rows[0]["preferred_output"], "p")


@pytest.mark.parametrize("bad", [turn(wrong(), passed=False, flaky=True), turn(None), turn(wrong(), passed=None)])
def test_what_did_not_surely_fail_is_no_negative(tmp_path, bad):
    """Flaky answers, answers without code and ungraded ones are neither rejected nor labelled false."""
    assert exported(tmp_path, "dpo", result(), result(bad, sample=1)) == []
    assert [r["label"] for r in exported(tmp_path, "kto", result(), result(bad, sample=1))] == [True]


def test_kto_labels_every_answer(tmp_path):
    """Each graded answer is a row with its verdict as label, to the conversation before it; `--turns last` the last."""
    unsolved = result(turn(wrong(1), passed=False), turn(wrong(2), passed=False), sample=1)
    rows = exported(tmp_path, "kto", result(*REPAIRED), unsolved)
    assert [r["label"] for r in rows] == [False, True, False, False]
    assert all(r["label"] == r["verified"] for r in rows)
    assert [r["label"] for r in exported(tmp_path, "kto", result(*REPAIRED), unsolved, turns="last")] == [True, False]


def test_openai_rows_hold_what_openai_takes(tmp_path):
    """`messages` alone, roles and content and weight alone; provenance on the same line of the file beside it."""
    rows, report = export_of(tmp_path, "openai", result(), result(*REPAIRED, of=problem("q", "Twice.")))
    assert [list(row) for row in rows] == [["messages"]] * 2
    assert {key for row in rows for m in row["messages"] for key in m} == {"role", "content", "weight"}
    beside = [row for _, row in read_lines(Path(report.card["output"]["beside"]))]
    assert [b["problem_id"] for b in beside] == ["p", "q"]


def test_rl_names_its_tests(tmp_path):
    """A row a problem, solved or not, with what came of its samples; tests by hash and place, none of them inline."""
    never = problem("q", "Twice.")
    results = [
        result(sample=0),
        result(turn(wrong(), passed=False), sample=1),
        result(turn(wrong(), passed=False), of=never),
    ]
    rows = exported(tmp_path, "rl", *results)
    assert [(r["problem_id"], r["samples"], r["verified_samples"]) for r in rows] == [("p", 2, 1), ("q", 1, 0)]
    assert rows[0]["tests_sha256"] == results[0].certificate.tests_sha256
    assert rows[0]["tests_file"].endswith(".jsonl") and (rows[0]["n_tests"], rows[0]["n_public_tests"]) == (2, 1)


@pytest.mark.parametrize(("name", "options"), every_format())
def test_nothing_hidden_is_in_any_row(tmp_path, name, options):
    """No private test, no reference and no hidden thinking, in no format."""
    thought = [{"type": "thinking", "thinking": "unsaid", "signature": "s"}, {"type": "text", "text": "x"}]
    answers = (turn(wrong(), passed=False, blocks=thought), turn(code(), blocks=thought))
    rows, report = export_of(
        tmp_path, name, result(*answers), result(turn(code(2), blocks=thought), sample=1), **options
    )
    beside = report.card["output"]["beside"]
    text = encode(rows) + (Path(beside).read_text() if beside else "")
    assert rows
    for hidden in (str(HIDDEN), str(2 * HIDDEN), "secret_reference", "unsaid"):
        assert hidden not in text


@pytest.mark.parametrize(("name", "options"), every_format())
@pytest.mark.parametrize(
    ("reason", "spoilt"),
    [
        ("truncated", {"finish": "length"}),
        ("truncated", {"finish": "max_tokens"}),
        ("truncated", {"finish": "max_output_tokens"}),
        ("refused", {"refusal": "frontier_llm"}),
        ("refused", {"finish": "content_filter"}),
        ("empty", {"text": "<think>{}</think>"}),
    ],
)
def test_cut_and_refused_answers_are_in_no_row(tmp_path, name, options, reason, spoilt):
    """Whatever the verdict, an answer that was cut off, refused or only thought is no row and no side of one."""
    if name == "rl":
        return  # holds no answer
    good, bad = result(turn(code(1), **spoilt)), result(turn(wrong(2), passed=False, **spoilt), sample=1)
    rows, report = export_of(tmp_path, name, good, bad, **options)
    assert rows == []
    assert report.left_out[reason] >= 1
    shown = result(turn(wrong(), passed=False, **spoilt), turn(code()))
    rows = exported(tmp_path, name, shown, **options)
    assert [r for r in rows if name != "sft"] == []  # whose rows do not show that turn


def test_rows_say_what_proves_them(tmp_path):
    """A patch that the official harness resolved is exported as proven by it; one that it was not run on is not."""
    from code_generation.certificate import sha256_text

    patch = "--- a/x.py\n+++ b/x.py\n"
    asked = problem("org__repo-1", "Mend it.")
    said = {"harness": "swebench", "report_sha256": "0" * 64}
    for outcome, digest, proven in (
        ("resolved", sha256_text(patch), True),
        ("unresolved", sha256_text(patch), False),
        ("resolved", "1" * 64, False),
    ):
        verdict = HarnessOutcome(outcome=outcome, patch_sha256=digest, **said)
        rows = exported(tmp_path, "sft", result(turn(patch, passed=None), of=asked, harness=verdict))
        assert [r["verified_by"] for r in rows] == (["harness:swebench"] if proven else [])


def test_code_that_was_not_certified_is_no_row(tmp_path):
    """A row whose code is not the certified one is left out: it was changed since."""
    rows, report = export_of(tmp_path, "sft", result(final_code=code(3)))
    assert (rows, report.left_out["uncertified"]) == ([], 1)


# ------------------------------------------------------------------------------------------------ thinking

PART = {"type": "text", "text": "Twice."}


def said_by_chat(content: object = "A", **more: object) -> tuple[str, list[dict]]:
    return "A", [{"role": "assistant", "content": content, **more}]


THOUGHTS = {
    "messages": (
        "A",
        [
            {"type": "thinking", "thinking": "Twice.", "signature": "s"},
            {"type": "redacted_thinking", "data": "x"},
            {"type": "text", "text": "A"},
        ],
    ),
    "chat": said_by_chat(reasoning_content="Twice."),
    "openrouter": said_by_chat(reasoning="Twice.", reasoning_details=[{"text": "Twice."}]),
    "details": said_by_chat(reasoning_details=[{"type": "reasoning.text", "text": "Twice."}]),
    "mistral": said_by_chat([{"type": "thinking", "thinking": [PART]}, {"type": "text", "text": "A"}]),
    "responses": ("A", [{"type": "reasoning", "summary": [PART]}, {"type": "message", "content": []}]),
    "open responses": ("A", [{"type": "reasoning", "summary": [], "content": [PART]}]),
    "tags": ("<think>\nTwice.\n</think>\n\nA", None),
    "half a tag": ("Twice.\n</think>\n\nA", None),
    "both": ("<think>Twice.</think>A", said_by_chat("<think>Twice.</think>A", reasoning_content="Twice.")[1]),
}


@pytest.mark.parametrize("shape", THOUGHTS)
def test_thinking_of_any_provider(shape):
    """Thinking is found where each dialect has it and in tags, once; what is left is the answer."""
    said, blocks = THOUGHTS[shape]
    message = Message(role="assistant", content=said, blocks=blocks)
    assert (thinking_of(message), visible_text(message)) == ("Twice.", "A")
    assert render_answer(message, "strip") == {"role": "assistant", "content": "A"}
    assert render_answer(message, "tags") == {"role": "assistant", "content": "<think>\nTwice.\n</think>\n\nA"}
    kept = render_answer(message, "keep")
    assert (kept["reasoning_content"], kept.get("blocks")) == ("Twice.", blocks)


def test_tags_in_code_are_code():
    """A program that writes think tags keeps them."""
    said = "```python\nprint('<think>')\n```"
    assert visible_text(Message(role="assistant", content=said)) == said


def test_thinking_stands_in_what_is_trained_on_only(tmp_path):
    """With `tags` the answers that are learnt hold it; those that are read do not."""
    blocks = [{"type": "thinking", "thinking": "Hm.", "signature": "s"}]
    repaired = result(turn(wrong(), passed=False, blocks=blocks), turn(code(), blocks=blocks))
    (row,) = exported(tmp_path, "self-debug", repaired, thinking="tags")
    assert ["<think>" in content(m) for m in row["messages"]] == [False, False, False, False, True]
    (row,) = exported(tmp_path, "prompt-completion", repaired, thinking="tags")
    assert "<think>" in content(row["completion"][0]) and "<think>" not in encode(row["prompt"])


@pytest.mark.parametrize(("name", "options"), [("openai", {}), ("together", {}), ("dpo", {"dialect": "openai"})])
def test_services_take_no_raw_blocks(tmp_path, name, options):
    """`--thinking keep` is refused for them before anything is read."""
    with pytest.raises(ConfigError, match="--thinking keep"):
        exported(tmp_path, name, result(), thinking="keep", **options)


def test_turns_that_do_not_fit_are_left_out():
    """A conversation without one answer an attempt has no turns."""
    whole = result(*REPAIRED)
    assert Conversation(whole).turns
    import msgspec

    assert Conversation(msgspec.structs.replace(whole, attempts=whole.attempts[:1])).turns == []


def test_half_a_surrogate_pair_is_no_text_for_a_tokenizer(tmp_path):
    """It is replaced, so that every reader of the file can read it."""
    (row,) = exported(tmp_path, "sft", result(turn(code(), text="\ud83d {}")))
    assert content(row["messages"][-1]).startswith("\ufffd ")
    assert ExportOptions().thinking == "strip"
