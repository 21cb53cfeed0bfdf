"""The command line: a mistake is one line and exit status 2, help shows an example, module commands work as typed."""

from __future__ import annotations

import json
import os

import pytest

from code_generation.records import to_json_object
from test_scripts.conftest import ROOT, SHARED, function_problem

GOOD = json.dumps(to_json_object(function_problem(([1], 2, True), solutions=["def f(n): return n + 1"])))
SCRIPTED = ("--model", "scripted:flaky")
SCRAPE = ("scrape", "in.jsonl", "out.jsonl")


@pytest.fixture
def folder(tmp_path):
    """A folder with a good problem file and several bad ones."""
    no_tests = json.dumps({"problem_id": "x", "problem": "X.", "solutions": [], "test_cases": [], "metadata": {}})
    bad_type = GOOD.replace('"functional"', '"functionally"')
    files = {
        "in.jsonl": GOOD,
        "torn.jsonl": GOOD + '\n{"problem_id": ',
        "no_tests.jsonl": GOOD + "\n" + no_tests,
        "list.jsonl": GOOD + "\n[1, 2]",
        "bad_type.jsonl": bad_type,
        "twice.jsonl": GOOD + "\n" + GOOD,
        "text.jsonl": "hello",
        "c.jsonl": json.dumps({"problem_id": "p", "code": "def f(n): return n"}),
        "c_unknown.jsonl": json.dumps({"problem_id": "who", "code": ""}),
        "c_empty.jsonl": json.dumps({"problem_id": "p"}),
        "bad.toml": "[scrape]\nmax_tuns = 3\n",
        "no.toml": "[scrape",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "prompts" / "generation").mkdir(parents=True)
    (tmp_path / "prompts" / "generation" / "odd.md").write_text("{{statement}} {{no_such_thing}}")
    return tmp_path


MISTAKES = {
    "missing_file": (("scrape", "nowhere.jsonl", "out.jsonl", *SCRIPTED), "nowhere.jsonl"),
    "folder_as_file": (("scrape", "prompts", "out.jsonl", *SCRIPTED), "folder"),
    "not_json": (("scrape", "torn.jsonl", "out.jsonl", *SCRIPTED), "line 2"),
    "not_text": (("scrape", "binary.jsonl", "out.jsonl", *SCRIPTED), "binary.jsonl"),
    "not_an_object": (("scrape", "list.jsonl", "out.jsonl", *SCRIPTED), "line 2"),
    "no_tests": (("scrape", "no_tests.jsonl", "out.jsonl", *SCRIPTED), "no tests"),
    "unknown_test_type": (("scrape", "bad_type.jsonl", "out.jsonl", *SCRIPTED), "$.test_cases[0].type"),
    "id_twice": (("scrape", "twice.jsonl", "out.jsonl", *SCRIPTED), "line 2"),
    "no_model": (SCRAPE, "--model"),
    "unknown_provider": ((*SCRAPE, "--model", "opnai:gpt"), "openai"),
    "unknown_provider_flag": ((*SCRAPE, "--model", "gpt", "--provider", "opnai"), "openai"),
    "unknown_script": ((*SCRAPE, "--model", "scripted:flakey"), "flaky"),
    "no_replay": ((*SCRAPE, "--model", "replay:none.jsonl"), "none.jsonl"),
    "no_key": ((*SCRAPE, "--model", "openai:gpt"), "OPENAI_API_KEY"),
    "no_named_key": ((*SCRAPE, "--model", "m", "--base-url", "http://127.0.0.1:9/v1", "--api-key-env", "MY_K"), "MY_K"),
    "unknown_prompt": ((*SCRAPE, *SCRIPTED, "--prompt-id", "basics"), "basic"),
    "unknown_system_prompt": ((*SCRAPE, *SCRIPTED, "--system-prompt-id", "x"), "helpful_coder"),
    "no_prompts_dir": ((*SCRAPE, *SCRIPTED, "--prompts-dir", "nowhere"), "nowhere"),
    "odd_placeholder": ((*SCRAPE, *SCRIPTED, "--prompts-dir", "prompts", "--prompt-id", "odd"), "no_such_thing"),
    "unwritable": (("scrape", "in.jsonl", "in.jsonl/out.jsonl", *SCRIPTED), "in.jsonl/out.jsonl"),
    "unwritable_proc": (("scrape", "in.jsonl", "/proc/out.jsonl", *SCRIPTED), "/proc/out.jsonl"),
    "unwritable_log": ((*SCRAPE, *SCRIPTED, "--error-log-path", "/proc/x.jsonl"), "/proc/x.jsonl"),
    "out_is_in": (("scrape", "in.jsonl", "in.jsonl", *SCRIPTED), "different files"),
    "log_is_out": ((*SCRAPE, *SCRIPTED, "--error-log-path", "./out.jsonl"), "different files"),
    "out_holds_something_else": (("scrape", "in.jsonl", "c.jsonl", *SCRIPTED), "c.jsonl"),
    "compressed_out": (("scrape", "in.jsonl", "out.jsonl.gz", *SCRIPTED), ".gz"),
    "contradiction": ((*SCRAPE, *SCRIPTED, "--should-pass-private", "--should-not-pass-private"), "contradict"),
    "contradiction_2": ((*SCRAPE, *SCRIPTED, "--criterion", "public", "--should-pass-private"), "contradict"),
    "unknown_criterion": ((*SCRAPE, *SCRIPTED, "--criterion", "some"), "public"),
    "unknown_flag": ((*SCRAPE, *SCRIPTED, "--max-turn", 3), "--max-turn"),
    "no_turns": ((*SCRAPE, *SCRIPTED, "--max-turns", 0), "--max-turns"),
    "no_number": ((*SCRAPE, *SCRIPTED, "--max-turns", "many"), "many"),
    "no_samples": ((*SCRAPE, *SCRIPTED, "--samples-per-problem", 0), "--samples-per-problem"),
    "no_requests": ((*SCRAPE, *SCRIPTED, "--max-concurrent-requests", 0), "--max-concurrent-requests"),
    "no_time": ((*SCRAPE, *SCRIPTED, "--timeout", 0), "--timeout"),
    "unknown_executor": ((*SCRAPE, *SCRIPTED, "--executor-type", "docker"), "subprocess"),
    "unknown_key_in_config": ((*SCRAPE, *SCRIPTED, "--config", "bad.toml"), "max_t"),
    "no_toml": ((*SCRAPE, *SCRIPTED, "--config", "no.toml"), "no.toml"),
    "no_config": ((*SCRAPE, *SCRIPTED, "--config", "nowhere.toml"), "nowhere.toml"),
    "no_command": (("scrap",), "scrap"),
    "missing_argument": (("scrape", "in.jsonl"), "OUT"),
    "unknown_data_set": (("preprocess", "mbp", "--output", "o.jsonl"), "mbpp"),
    "no_source": (("preprocess", "jsonl", "--output", "o.jsonl"), "--source"),
    "source_missing": (("preprocess", "mbpp", "--source", "nowhere.jsonl", "--output", "o.jsonl"), "nowhere.jsonl"),
    "no_hub": (("preprocess", "mbpp", "--output", "o.jsonl"), "--source"),
    "preprocess_unwritable": (
        ("preprocess", "jsonl", "--source", "in.jsonl", "--output", "in.jsonl/o.jsonl"), "in.jsonl/o.jsonl",
    ),
    "preprocess_onto_itself": (("preprocess", "jsonl", "--source", "in.jsonl", "--output", "in.jsonl"), "source"),
    "validate_missing": (("validate", "nowhere.jsonl"), "nowhere.jsonl"),
    "grade_unknown_problem": (("grade", "in.jsonl", "c_unknown.jsonl", "--output", "v.jsonl"), "who"),
    "grade_no_code": (("grade", "in.jsonl", "c_empty.jsonl", "--output", "v.jsonl"), "line 1"),
    "grade_unwritable": (("grade", "in.jsonl", "c.jsonl", "--output", "/proc/v.jsonl"), "/proc/v.jsonl"),
    "grade_onto_input": (("grade", "in.jsonl", "c.jsonl", "--output", "c.jsonl"), "c.jsonl"),
    "verify_missing": (("verify", "nowhere.jsonl"), "nowhere.jsonl"),
    "verify_something_else": (("verify", "in.jsonl"), "in.jsonl"),
    "export_missing": (("export", "nowhere.jsonl", "--output", "o.jsonl"), "nowhere.jsonl"),
    "export_no_results": (("export", "in.jsonl", "--output", "o.jsonl"), "in.jsonl"),
    "export_format": (("export", "in.jsonl", "--format", "sfd", "--output", "o.jsonl"), "sft"),
    "demo_unwritable": (("demo", "--output-dir", "in.jsonl/x"), "in.jsonl/x"),
}  # fmt: skip


@pytest.mark.parametrize(("command", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line(folder, codegen, command, said):
    """A mistake ends with exit status 2 and exactly one line that names what is wrong; no traceback, no file harmed."""
    before = {p: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    done = codegen(*command)
    assert (done.returncode, done.stderr.count("\n"), said in done.stderr) == (2, 1, True), done.stderr
    assert {p: p.read_bytes() for p in before} == before


COMMANDS = ["demo", "preprocess", "validate", "scrape", "grade", "verify", "export"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(codegen, command):
    """The help of every command shows an example of that command."""
    done = codegen(command, "--help")
    assert (done.returncode, done.stderr, f"codegen {command}" in done.stdout) == (0, "", True)
    assert "Example" in done.stdout


def test_help_lists_every_command(codegen):
    """`codegen --help` names every command."""
    done = codegen("--help")
    assert (done.returncode, [c for c in COMMANDS if c not in done.stdout]) == (0, [])


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("code_generation.scraper", ("in.jsonl", "out.jsonl", *SCRIPTED, "--max-turns", 2)),
        ("code_generation.generation_cli", ("preprocess", "jsonl", "--source", "in.jsonl", "--output", "out.jsonl")),
        ("code_generation", ("scrape", "in.jsonl", "out.jsonl", *SCRIPTED)),
    ],
)
def test_module_commands_work_as_typed(folder, codegen, module, command):
    """The commands of design.md section 4 that are typed as modules do what they say."""
    done = codegen(*command, module=module)
    assert (done.returncode, done.stderr, (folder / "out.jsonl").read_text().count("\n")) == (0, "", 1)


@pytest.mark.shared
def test_mbpp_loader_as_typed(folder, codegen):
    """`python -m code_generation.mbpp_loader --source S --output F --num-problems 100 --n-public 1` works as typed."""
    source = SHARED / "data/mbpp/mbpp.jsonl"
    done = codegen("--source", source, "--output", "m.jsonl", "--num-problems", 100, "--n-public", 1,
                   module="code_generation.mbpp_loader")  # fmt: skip
    rows = [json.loads(line) for line in (folder / "m.jsonl").read_text().splitlines()]
    manifest = json.loads((folder / "m.jsonl.manifest.json").read_text())
    assert (done.returncode, len(rows), manifest["rows_in"], manifest["bad_rows"]) == (0, 100, 100, [])
    assert {sum(t["is_public"] for t in r["test_cases"]) for r in rows} == {1}


def test_mbpp_loader_without_a_source(codegen):
    """Without a source and without a hub there is one clear line."""
    done = codegen("--output", "m.jsonl", module="code_generation.mbpp_loader")
    assert (done.returncode, done.stderr.count("\n"), "--source" in done.stderr) == (2, 1, True)


def test_dry_run_spends_nothing(folder, codegen):
    """`--dry-run` prints the first prompt and what would run, and writes no file."""
    done = codegen(*SCRAPE, *SCRIPTED, "--dry-run")
    assert (done.returncode, "Write f." in done.stdout, "scripted:flaky" in done.stdout) == (0, True, True)
    assert not (folder / "out.jsonl").exists()


def test_model_from_environment_and_config(folder, codegen):
    """Flags win over the file, the file over the environment."""
    (folder / "c.toml").write_text('[scrape]\nmodel = "scripted:wrong"\nmax_turns = 1\n')
    environment = {"CODEGEN_MODEL": "scripted:reference"}
    say = [
        codegen(*SCRAPE, "--dry-run", env=environment),
        codegen(*SCRAPE, "--dry-run", "--config", "c.toml", env=environment),
        codegen(*SCRAPE, "--dry-run", "--config", "c.toml", *SCRIPTED, env=environment),
    ]
    assert [next(m for m in ("reference", "wrong", "flaky") if m in d.stdout) for d in say] == [
        "reference", "wrong", "flaky",
    ]  # fmt: skip
    assert "at most 1 turns" in say[2].stdout


@pytest.mark.shared
def test_the_contract_is_complete():
    """Every command that is built stands in design.md."""
    text = (SHARED / "design.md").read_text("utf-8")
    assert [c for c in COMMANDS if f"`codegen {c} " not in text] == []


def test_shipped_samples_are_usable(codegen):
    """The example of every command names files that are shipped."""
    names = ("samples.jsonl", "samples_raw.jsonl", "three_sample.jsonl")
    assert [n for n in names if not (ROOT / "datasets" / n).exists()] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["test_grader_full", "test_executors"])
def test_self_checks_hold_here(codegen, name):
    """The self-checks run as typed, say a line a check, and all hold."""
    done = codegen(module=f"code_generation.test_scripts.{name}", timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert "FAIL" not in done.stdout
    assert done.stdout.count("\nok ") > 20


def test_doctor_shows_the_level_and_no_key(codegen):
    """The report names the level that a grade names, and says of a key only that it is there."""
    done = codegen("doctor", "--json", env={"OPENAI_API_KEY": "sk-planted"})
    found = json.loads(done.stdout)
    shown = codegen("doctor", env={"OPENAI_API_KEY": "sk-planted"})
    assert (done.returncode, found["isolation"], found["levels"][found["isolation"]]) == (0, "full", "holds")
    assert (found["keys"]["OPENAI_API_KEY"], "planted" in done.stdout + shown.stdout) == (True, False)
    assert shown.stdout.startswith("isolation     full\n")


def test_doctor_fails_where_code_can_not_be_contained(codegen, tmp_path):
    """Without namespaces and landlock it is exit status 1, the reasons are said, and nothing runs untrusted code."""
    (tmp_path / "sitecustomize.py").write_text(
        "import ctypes, struct\n"
        "libc = ctypes.CDLL(None)\nlibc.prctl(38, 1, 0, 0, 0)\n"
        "refused = (272, 444)  # unshare, landlock_create_ruleset on x86-64\n"
        "code = [(0x20, 0, 0, 0)] + [i for n in refused for i in ((0x15, 0, 1, n), (6, 0, 0, 0x50001))]\n"
        "data = b''.join(struct.pack('=HBBI', *i) for i in [*code, (6, 0, 0, 0x7fff0000)])\n"
        "buffer = ctypes.create_string_buffer(data, len(data))\n"
        "header = struct.pack('@HP', len(data) // 8, ctypes.addressof(buffer))\n"
        "assert libc.prctl(22, 2, ctypes.create_string_buffer(header, 16), 0, 0) == 0\n"
    )
    if os.uname().machine != "x86_64":
        pytest.skip("the system-call numbers in this test are x86-64's")
    env = {"PYTHONPATH": str(tmp_path)}
    doctor = codegen("doctor", env=env)
    samples = [ROOT / f"datasets/three_{name}.jsonl" for name in ("sample", "candidates")]
    refused = codegen("grade", *samples, "--output", "v.jsonl", env=env)
    weak = codegen("grade", *samples, "--output", "v.jsonl", "--allow-weak-isolation", env=env)
    assert (doctor.returncode, "unshare: Operation not permitted" in doctor.stdout) == (1, True)
    assert (refused.returncode, refused.stderr.count("\n"), "--allow-weak" in refused.stderr) == (2, 1, True)
    assert (weak.returncode, '"isolation":"weak"' in (tmp_path / "v.jsonl").read_text().replace(" ", "")) == (0, True)
