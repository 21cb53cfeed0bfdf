"""Prompts: strict placeholders, one's own folder, what feedback shows and what it never shows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from code_generation.errors import ConfigError, UnknownName
from code_generation.models import CodeProblem, Grade, Outcome, TestCase
from code_generation.prompts import (
    MAX_FAILURES,
    MAX_TEXT,
    Prompt,
    PromptLibrary,
    PromptSet,
    feedback_message,
    opening_messages,
    render_expected,
    render_test,
)

SHIPPED = PromptLibrary()
PROMPTS = PromptSet(SHIPPED)
SECRET = "sup3rs3cret"


def problem(*tests, statement="Add the numbers.", **metadata):
    known = {"func_name": "f", **metadata}
    return CodeProblem(problem_id="p", problem=statement, solutions=[SECRET], test_cases=list(tests), metadata=known)


def case(arguments, output, *, public=True, kind="functional"):
    return TestCase(input=arguments, output=output, type=kind, is_public=public)


def feedback(tests, outcomes):
    """The text that a model is told about these tests, given (status, got, error) of each."""
    told = [
        Outcome(status=s, is_public=t.is_public, got=got, error=error)
        for t, (s, got, error) in zip(tests, outcomes, strict=True)
    ]
    grade = Grade(verdict="fail", n_passed=0, n_tests=len(tests), reward=0.0, fraction=0.0, outcomes=told)
    return feedback_message(grade.view(problem(*tests)), PROMPTS, "f").content


def own_folder(tmp_path, name, text):
    path = tmp_path / "own" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return PromptLibrary(tmp_path / "own")


def test_render_fills_every_placeholder():
    """Values stand where their placeholders stood, however these are spaced."""
    assert Prompt("p", "{{a}} and {{ b }}, {{a}}").render({"a": "1", "b": "2"}) == "1 and 2, 1"


@given(st.text())
@settings(deadline=None, max_examples=60)
def test_values_go_in_once(text):
    """A value is copied as it is: placeholders inside it, backslashes and group references are text."""
    value = "{{a}} {{b}} {{x}} \\1 \\g<0> " + text
    assert f"<{value}>B" == Prompt("p", "<{{a}}>{{b}}").render({"a": value, "b": "B"})


@pytest.mark.parametrize(
    ("text", "needed", "message"),
    [
        ("{{statemnt}}", (), r"'mine'.*unknown placeholder 'statemnt'.*known: func_name, statement"),
        ("{{func_name}}", ("statement",), r"'mine'.*'statement'.*must"),
    ],
)
def test_placeholders_are_strict(text, needed, message):
    """A placeholder that nobody fills and a needed one that is missing are errors with the prompt's id."""
    with pytest.raises(ConfigError, match=message):
        Prompt("mine", text).render({"statement": "s", "func_name": "f"}, needed=needed)


@pytest.mark.parametrize("prompt_id", SHIPPED.ids("generation"))
def test_a_question_asks_for_what_the_tests_use(prompt_id):
    """Every shipped prompt names the function where one is called, and asks for a program where there is none."""
    statement = "Print {{x}} for {{statement}}."
    prompts = PromptSet(SHIPPED, prompt_id=prompt_id)
    _, function = opening_messages(problem(statement=statement).view(), prompts)
    _, klass = opening_messages(problem(func_name=None, class_name="Tree").view(), prompts)
    _, program = opening_messages(problem(statement=statement, func_name=None).view(), prompts)
    assert "function `f`" in function.content
    assert "class `Tree`" in klass.content
    assert "standard input" in program.content
    assert "standard input" not in function.content
    assert statement in function.content
    assert statement in program.content
    assert (function.role, program.role) == ("user", "user")


def test_the_system_prompt_comes_first():
    """The opening is the chosen system prompt, then the question; an empty system prompt is left out."""
    system, question = opening_messages(problem().view(), PROMPTS)
    assert (system.role, question.role) == ("system", "user")
    assert SHIPPED.get("system", "helpful_coder").text == system.content


def test_an_empty_system_prompt_is_no_message(tmp_path):
    """Who wants no system prompt writes an empty one."""
    prompts = PromptSet(own_folder(tmp_path, "system/none.md", "\n"), system_prompt_id="none")
    assert [m.role for m in opening_messages(problem().view(), prompts)] == ["user"]


def test_starter_code_is_shown_whole():
    """Starter code stands in the question in a block of its own, and no block stands there without it."""
    starter = "class Solution:\n    def f(self):\n        "
    _, question = opening_messages(problem(starter_code=starter).view(), PROMPTS)
    assert "```python\nclass Solution:\n    def f(self):\n```" in question.content
    assert "Start from" not in opening_messages(problem().view(), PROMPTS)[1].content


@pytest.mark.parametrize("statement", ["Add {{x}}.", "Say ```python\nx\n``` and \\1."])
def test_the_question_knows_nothing_private(statement):
    """References and private tests are not in any opening message."""
    tests = [case([SECRET], SECRET, public=False), case([1], 1)]
    text = "".join(m.content for m in opening_messages(problem(*tests, statement=statement).view(), PROMPTS))
    assert statement in text
    assert SECRET not in text


def test_own_prompts_override(tmp_path):
    """One's own folder wins by id and variant; what it lacks comes from the shipped ones."""
    library = own_folder(tmp_path, "generation/basic.md", "Mine: {{statement}}")
    _, question = opening_messages(problem().view(), PromptSet(library))
    assert question.content == "Mine: Add the numbers."
    assert SHIPPED.get("system", "helpful_coder") == library.get("system", "helpful_coder")
    library = own_folder(tmp_path, "generation/basic.program.md", "Program: {{statement}}")
    questions = [opening_messages(problem(func_name=n).view(), PromptSet(library))[1].content for n in ("f", None)]
    assert questions == ["Mine: Add the numbers.", "Program: Add the numbers."]


def test_an_own_prompt_without_the_statement_is_refused(tmp_path):
    """A generation prompt that forgets the statement is an error before anything is asked."""
    library = own_folder(tmp_path, "generation/mine.md", "Solve it. Ünïcode.")
    with pytest.raises(ConfigError, match="'mine' does not use the placeholder 'statement'"):
        opening_messages(problem().view(), PromptSet(library, prompt_id="mine"))


def test_a_prompts_folder_must_exist(tmp_path):
    """A folder that is not there is a clear error, not a silent fall back to the shipped prompts."""
    with pytest.raises(ConfigError, match="nowhere does not exist"):
        PromptLibrary(tmp_path / "nowhere")


def test_an_own_prompt_that_is_no_text_is_named(tmp_path):
    """A prompt file that is not UTF-8 is one line with its name, not a UnicodeDecodeError."""
    library = own_folder(tmp_path, "generation/mine.md", "")
    (tmp_path / "own/generation/mine.md").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"mine\.md"):
        library.get("generation", "mine")


@pytest.mark.parametrize("prompt_id", ["basik", "../system/helpful_coder", "", "basic.function.md"])
def test_an_unknown_id_lists_the_known_ones(tmp_path, prompt_id):
    """An id that no file has, or that leads out of its folder, is an error with all ids, one's own included."""
    library = own_folder(tmp_path, "generation/mine.function.md", "{{statement}}")
    with pytest.raises(UnknownName, match=r"unknown generation prompt.*known: basic, mine, plan_then_code"):
        library.get("generation", prompt_id, "program")


@pytest.mark.parametrize("wrong", [{"system_prompt_id": "x"}, {"prompt_id": "x"}])
def test_check_finds_wrong_ids_before_anything_is_spent(wrong):
    """Prompts are looked up at the start of a run."""
    PROMPTS.check()
    with pytest.raises(UnknownName, match="'x'"):
        PromptSet(SHIPPED, **wrong).check()


def test_metadata_tells_which_words_were_used(tmp_path):
    """An edited prompt under the same id has another hash; function and program variants have their own."""
    library = own_folder(tmp_path, "generation/basic.function.md", "Mine: {{statement}}")
    function, program = problem().view(), problem(func_name=None).view()
    shipped, own = PROMPTS.metadata(function), PromptSet(library).metadata(function)
    assert (shipped["prompt_id"], shipped["system_prompt_id"]) == ("basic", "helpful_coder")
    assert shipped["prompt_sha256"] != own["prompt_sha256"]
    assert shipped["system_prompt_sha256"] == own["system_prompt_sha256"]
    assert PROMPTS.metadata(program) == PromptSet(library).metadata(program)
    assert shipped["prompt_sha256"] != PROMPTS.metadata(program)["prompt_sha256"]


def test_feedback_shows_public_failures_in_full():
    """Input, expected and own answer of a public failure are told, and how many public tests passed."""
    tests = [case([[1, 2], 3], 6), case([[1], 1], 2), case({"args": [[5]], "kwargs": {"x": 1}}, {"$py": "(6,)"})]
    text = feedback(tests, [("wrong_answer", "7", ""), ("passed", "2", ""), ("runtime_error", "", "ValueError: x")])
    for part in ("f([1, 2], 3)", "6", "7", "f([5], x=1)", "(6,)", "ValueError: x", "runtime error", "1 of 3"):
        assert part in text
    assert "f([1], 1)" not in text
    assert "hidden" not in text


def test_feedback_counts_private_failures_only():
    """Of private failures a model learns how many there are, nothing else."""
    tests = [case([1], 1), *[case([SECRET], SECRET, public=False)] * 3]
    bad = [("wrong_answer", SECRET, SECRET), ("runtime_error", SECRET, SECRET)]
    outcomes = [("passed", "1", ""), *bad, ("passed", "", "")]
    text = feedback(tests, outcomes)
    assert SECRET not in text
    assert "1 of 1 public tests" in text
    assert "2 of 3 hidden tests fail" in text


def test_feedback_stays_short():
    """Few failures are shown, long texts lose their middle, and the rest says how much."""
    tests = [case([str(i)], "ok") for i in range(MAX_FAILURES + 2)]
    long = "START" + "x" * 100_000 + "END"
    text = feedback(tests, [("wrong_answer", long, long)] * len(tests))
    assert text.count("wrong answer") == MAX_FAILURES
    assert "START" in text
    assert "END" in text
    assert f"{len(long) - MAX_TEXT} characters left out" in text
    assert len(text) < MAX_FAILURES * 3 * MAX_TEXT


def test_feedback_is_clean_text():
    """Control characters and lone surrogates never reach a prompt; tabs, line ends and letters do."""
    text = feedback([case(["a"], "b")], [("wrong_answer", "\x00\x1b[31m\ud800\tx\ny\x7f \u00e9", "\x07")])
    assert not set("\x00\x1b\x07\x7f\ud800") & set(text)
    assert "\tx\ny" in text
    assert "\u00e9" in text


def test_no_code_is_told_as_such():
    """A reply without code is answered by asking for a block."""
    message = feedback_message(None, PROMPTS)
    assert message.role == "user"
    assert "```python" in message.content


@pytest.mark.parametrize(
    ("test", "text"),
    [
        (case([[1, 2], "a"], {"$py": "(1,)"}), "assert f([1, 2], 'a') == (1,)"),
        (case("[1, 2]\n3", [True, None, {"a": {"$py": "{1}"}}]), "assert f([1, 2], 3) == [True, None, {'a': {1}}]"),
        (case({"$py": "((1, 2),)"}, 1), "assert f((1, 2)) == 1"),
        (case("assert f(1) is None", None, kind="assert"), "assert f(1) is None"),
        (case("1 2\n", "3\n", kind="stdin"), "Input:\n1 2\n\nOutput:\n3"),
    ],
)
def test_a_test_as_text(test, text):
    """A test is written as a person would: an assertion, or sample input and output."""
    assert text == render_test(test, "f")
    assert (render_expected(test) == "no assertion fails") is (test.type == "assert")
