"""Boxes of a service: what they get wrong is tried again and then infra, and nothing travels but inputs."""

from __future__ import annotations

import asyncio
import base64
import json
import marshal
import re
import sys
import zlib

import pytest

from code_generation.errors import ConfigError, SandboxUnavailable
from code_generation.executors import OnDemand, bundle, e2b_boxes, open_executor, services, tci
from code_generation.grader import GraderOptions, TestExecutionGrader, open_grader
from code_generation.models import CodeProblem, TestCase
from code_generation.programs import Case, Limits, Program
from test_scripts.box_server import FAULTS, serving

SERVICES = ["together", "e2b"]
ECHO = Program(
    kind="script", source="print(input())", cases=[Case(stdin="a\n"), Case(stdin="b\n")], limits=Limits(timeout_s=0.5)
)
MARKER = "expected-9f3b-marker"


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch):
    """Pauses are what they are in their proportion; a test need not wait for them."""
    monkeypatch.setattr(services, "PAUSES_S", (0.01, 0.02, 0.04))
    monkeypatch.setattr(e2b_boxes, "BUSY_S", 0.02)


def echo(name, url, times=1, **options):
    """Run ECHO some times on a service; statuses and outputs of all cases, and the executor as it was left."""

    async def go():
        async with open_executor(name, url=url, **options) as executor:
            found = [case for _ in range(times) for case in (await executor.run(ECHO)).cases]
            return [(c.status, c.stdout) for c in found], [c.error for c in found], executor

    return asyncio.run(go())


GOOD = [("ok", b"a\n"), ("ok", b"b\n")]
SHORT = set(FAULTS) - {"hang", "auth"}


def pairs(faults):
    """Every service with every fault; most are slow tests, for the code behind them is the same."""
    core = {("together", "rate_limit"), ("together", "forged"), ("e2b", "expired"), ("e2b", "auth")}
    named = [(name, fault) for name in SERVICES for fault in sorted(faults)]
    return [pytest.param(*p, marks=() if p in core else pytest.mark.slow) for p in named]


EITHER = ["together", pytest.param("e2b", marks=pytest.mark.slow)]
"""Both services, where what is behind them is the same."""


@pytest.mark.parametrize(("name", "fault"), pairs(SHORT))
def test_a_fault_that_passes_costs_nothing_but_time(name, fault):
    """Whatever goes wrong twice is tried again; the results are those of an undisturbed run."""
    with serving() as server:

        async def go():
            async with open_executor(name, url=server.url, workers=1) as executor:
                server.control(faults=[fault, fault])
                return [(c.status, c.stdout) for c in (await executor.run(ECHO)).cases]

        assert asyncio.run(go()) == GOOD


@pytest.mark.parametrize(("name", "fault"), pairs(SHORT | {"auth"}))
def test_a_fault_that_stays_is_infra(name, fault):
    """After some tries the cases are infra errors that say why; no verdict is made up, and the next run goes on."""
    with serving() as server:

        async def go():
            async with open_executor(name, url=server.url, workers=1) as executor:
                server.control(faults=[fault], forever=True)
                broken = (await executor.run(ECHO)).cases
                server.control(faults=[""], forever=True)
                return broken, (await executor.run(ECHO)).cases

        broken, after = asyncio.run(go())
        assert [c.status for c in broken] == ["infra_error"] * 2
        assert all(name in c.error or "reply" in c.error for c in broken)
        assert [(c.status, c.stdout) for c in after] == GOOD


@pytest.mark.parametrize("name", EITHER)
def test_a_service_that_says_nothing(name, monkeypatch):
    """A call has a total time of our own; what hangs is left alone and a new session begun."""
    with serving() as server:

        async def go():
            async with open_executor(name, url=server.url, workers=1) as executor:
                server.control(faults=["hang"])
                monkeypatch.setattr(bundle, "SLACK_S", -9.0)
                return (await executor.run(ECHO)).cases, executor.service.sessions

        cases, sessions = asyncio.run(go())
        assert [(c.status, c.stdout) for c in cases] == GOOD
        assert sessions == 2


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize(("fault", "said"), [("auth", "401"), ("garbage", ""), ("server_error", "500")])
def test_a_service_that_can_not_be_used_is_said_at_once(name, fault, said):
    """Before anything is graded."""
    with serving(fault=[fault], forever=True) as server, pytest.raises(SandboxUnavailable, match=said or name):
        echo(name, server.url)


@pytest.mark.parametrize("name", EITHER)
def test_sessions_are_used_again(name):
    """One call at a time and session; where one is over, another; all that can be ended are. The price is known."""
    with serving() as server:
        cases, _, executor = echo(name, server.url, times=4, workers=1)
        assert cases == GOOD * 4
        assert executor.service.sessions == 1
        assert executor.service.cost_usd == (tci.SESSION_USD if name == "together" else executor.service.cost_usd)
        assert executor.service.cost_usd > 0
        said = server.control()
        assert said["most_busy"] == 1
        assert len(said["stopped"]) == (name == "e2b")

        async def several():
            async with open_executor(name, url=server.url, workers=2) as executor:
                await asyncio.gather(*(executor.run(ECHO) for _ in range(6)))
                server.control(expire=True)
                found = await asyncio.gather(*(executor.run(ECHO) for _ in range(4)))
                return executor.service.sessions, [c.status for r in found for c in r.cases]

        sessions, statuses = asyncio.run(several())
        assert statuses == ["ok"] * 8
        assert 2 < sessions <= 4
        assert server.control()["most_busy"] == 1


BREAKING = {
    "junk for the launcher": "import os\ntry: open(f'/proc/{os.getppid()}/fd/1', 'w').write('junk\\n' * 99)\n"
    "except OSError: pass\nprint(2)",
    "the folder above": "import shutil\nshutil.rmtree('..', ignore_errors=True)\nprint(2)",
    "the report's files": "import os\nfor n in ('stdout', 'answers', 'reply'):\n  for p in (f'../{n}', n):\n    try: "
    "os.mkfifo(p)\n    except OSError: pass\nprint(2)",
    "what runs it": "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)",
    "its group": "import os, signal\nos.killpg(os.getpgid(os.getppid()), signal.SIGKILL)",
    "itself stopped": "import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)",
}


@pytest.mark.parametrize(
    "name",
    [n if n in {"its group", "the report's files"} else pytest.param(n, marks=pytest.mark.slow) for n in BREAKING],
)
def test_who_breaks_the_box_fails_by_that(name, monkeypatch):
    """A wrong program can't make itself infra by disturbing what runs it, and others go on."""
    monkeypatch.setattr(bundle, "SLACK_S", 4.0)
    test = TestCase(input="", output="1", type="stdin", is_public=True)
    problem = CodeProblem(problem_id="p", problem="", solutions=[], test_cases=[test], metadata={})
    with serving() as server:

        async def go():
            async with open_grader(
                GraderOptions(executor_type="together", executor_url=server.url, timeout_s=0.5, workers=1)
            ) as grader:
                return [(await grader.grade(problem, code)).verdict for code in (BREAKING[name], "print(1)")]

        assert asyncio.run(go()) == ["fail", "pass"]


def test_a_function_may_print(codegen):
    """Also where the test looks at what was printed."""
    heard = "import io, contextlib\nwith contextlib.redirect_stdout(io.StringIO()) as o:\n    f(1)\nassert o.getvalue()"
    sources = ("assert f(2) == 4", f"{heard} == 'noise\\n'")
    tests = [TestCase(input=source, output=None, type="assert", is_public=True) for source in sources]
    problem = CodeProblem(problem_id="p", problem="", solutions=[], test_cases=tests, metadata={"func_name": "f"})
    with serving() as server:

        async def go():
            async with open_grader(GraderOptions(executor_type="together", executor_url=server.url)) as grader:
                return (await grader.grade(problem, "def f(x):\n    print('noise')\n    return 2 * x")).verdict

        assert asyncio.run(go()) == "pass"


def test_a_server_that_is_down_costs_nothing():
    """A session that nothing was sent to is not counted."""

    async def go():
        service = tci.Together("http://127.0.0.1:9", None)
        await service.open()
        with pytest.raises(services.Fault, match="reached"):
            await service.execute(services.Session(), "", 1.0)
        await service.close()
        return service.cost_usd

    assert asyncio.run(go()) == 0.0


def test_old_sessions_are_not_used(monkeypatch):
    """After most of an hour a new one is begun."""
    monkeypatch.setattr(services, "SESSION_S", 0.0)
    with serving() as server:
        _, _, executor = echo("together", server.url, times=2, workers=1)
        assert executor.service.sessions == 3


def test_together_where_it_stood_before():
    """Nothing at the first address: the other one is tried, and kept."""
    with serving(only_v1=True) as server:
        assert echo("together", server.url, times=2)[0] == GOOD * 2
        assert echo("together", f"{server.url}/v1/tci/execute")[0] == GOOD


def travelled(bodies: list[str]) -> str:
    """All that was sent, unpacked."""
    texts = []
    for body in bodies:
        code = json.loads(body).get("code", "")
        for packed in re.findall(r"b'([A-Za-z0-9+/=]+)'|'([A-Za-z0-9+/=]{200,})'", code):
            data = zlib.decompress(base64.b64decode("".join(packed)))
            texts.append(repr(marshal.loads(data)) if data[:1] in b"\xfb\x7b" else data.decode())  # noqa: S302
    return "\n".join([*bodies, *texts])


@pytest.mark.parametrize("name", EITHER)
@pytest.mark.parametrize("mode", ["isolated", pytest.param("batch", marks=pytest.mark.slow)])
def test_nothing_travels_but_inputs(name, mode, monkeypatch):
    """Of no kind of test is an expected value sent, nor a key in anything but the header."""
    monkeypatch.setenv("TOGETHER_API_KEY", "sk-planted-key")
    monkeypatch.setenv("E2B_API_KEY", "e2b_" + "0" * 40)
    checker = {"name": "checker", "checker": f"import sys\nprint(int(open(sys.argv[3]).read() == '{MARKER}\\n'))"}
    given = f"print('{MARKER[:9]}' + '{MARKER[9:]}')"
    function = f"def f(x): return '{MARKER[:9]}' + '{MARKER[9:]}'"
    tests = {
        "stdin": TestCase(input="in-5\n", output=f"{MARKER}\n", type="stdin", is_public=False),
        "functional": TestCase(input=["in-5"], output=MARKER, type="functional", is_public=False),
        "assert": TestCase(input=f"assert f('in-5') == '{MARKER}'", output=None, type="assert", is_public=False),
    }
    problems = {
        k: CodeProblem(problem_id=k, problem="", solutions=[], test_cases=[t, t], metadata={"func_name": "f"})
        for k, t in tests.items()
    }
    problems["checker"] = CodeProblem(
        problem_id="c", problem="", solutions=[], test_cases=[tests["stdin"]] * 2, metadata={"comparison": checker}
    )
    with serving() as server:

        async def go():
            async with open_grader(GraderOptions(executor_type=name, executor_url=server.url, mode=mode)) as grader:
                return {
                    k: await grader.grade(p, function if k in {"functional", "assert"} else given)
                    for k, p in problems.items()
                }

        grades = asyncio.run(go())
        assert {k: (g.verdict, g.isolation) for k, g in grades.items()} == dict.fromkeys(problems, ("pass", "remote"))
        said = server.control()
        sent = travelled(said["bodies"])
        assert sent.count("in-5") >= 3
        assert "def become(" in sent  # it was unpacked
        assert MARKER not in sent
        assert "planted" not in sent
        assert any("sk-planted-key" in key or key.startswith("e2b_0") for key in said["keys"])


def test_a_wrong_answer_is_still_wrong():
    """And an infra error still none: the grader says about remote runs what it says about local ones."""
    test = TestCase(input="", output="1", type="stdin", is_public=True)
    problem = CodeProblem(problem_id="p", problem="", solutions=[], test_cases=[test] * 3, metadata={})
    with serving() as server:

        async def go():
            async with open_grader(GraderOptions(executor_type="together", executor_url=server.url)) as grader:
                verdicts = [(await grader.grade(problem, code)).verdict for code in ("print(1)", "print(2)", "1 +")]
                server.control(faults=["server_error"], forever=True)
                return [*verdicts, (await grader.grade(problem, "print(1)")).verdict]

        assert asyncio.run(go()) == ["pass", "fail", "fail", "infra"]


def test_graded_by_command(codegen, tmp_path):
    """The command says where, how many sessions and what they cost; rows say it was not here."""
    (tmp_path / "p.jsonl").write_text(
        '{"problem_id": "p", "problem": "", "solutions": [], "metadata": {"func_name": "f"}, "test_cases": ['
        '{"type": "functional", "input": [1], "output": 2, "is_public": true},'
        '{"type": "assert", "input": "assert f(5) == 6", "output": null, "is_public": false}]}'
    )
    (tmp_path / "c.jsonl").write_text('{"problem_id": "p", "code": "def f(x): return x + 1"}')
    with serving() as server:
        done = codegen("grade", "p.jsonl", "c.jsonl", "--output", "v.jsonl", "--executor-type", "together",
                       "--executor-url", server.url, "--workers", 1)  # fmt: skip
    assert (done.returncode, "1 pass" in done.stdout) == (0, True)
    assert "together: 1 session, about $0.03" in done.stderr
    row = json.loads((tmp_path / "v.jsonl").read_text())
    assert (row["executor"], row["isolation"]) == ("together", "remote")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--executor-type", "together"], "TOGETHER_API_KEY"),
        (["--executor-type", "e2b"], "E2B_API_KEY"),
        (["--executor-type", "e2b", "--isolation", "full"], "level"),
        (["--executor-url", "http://127.0.0.1:9"], "url"),
        (["--executor-type", "together", "--executor-url", "notaurl"], "http://"),
        (["--executor-type", "together", "--executor-url", "http://127.0.0.1:9"], "reached"),
    ],
)
def test_what_does_not_go_together(codegen, tmp_path, flags, said, monkeypatch):
    """No key, an option of another executor, nobody there: one line, exit status 2."""
    monkeypatch.setenv("CODEGEN_WORKERS", "1")
    (tmp_path / "p.jsonl").write_text(
        '{"problem_id": "p", "problem": "", "solutions": [], "metadata": {}, '
        '"test_cases": [{"type": "stdin", "input": "", "output": "", "is_public": true}]}'
    )
    (tmp_path / "c.jsonl").write_text('{"problem_id": "p", "code": ""}')
    done = codegen("grade", "p.jsonl", "c.jsonl", "--output", "v.jsonl", *flags)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert said in done.stderr


def test_a_package_that_is_missing_is_named(monkeypatch):
    """With the extra to install."""
    monkeypatch.setitem(sys.modules, "e2b_code_interpreter", None)
    with pytest.raises(ConfigError, match="e2b"):
        open_executor("e2b", url="http://127.0.0.1:9")


def test_home_is_opened_when_it_is_needed():
    """Test code runs here; where this machine can't hold it, that is infra and not the end."""

    class Nowhere:
        async def __aenter__(self):
            msg = "no walls here"
            raise SandboxUnavailable(msg)

        async def __aexit__(self, *exc):
            pass

    async def go(make):
        async with OnDemand(make) as home:
            check = Program(kind="script", source="print(1)", cases=[Case()], limits=Limits())
            return (await home.run(check)).cases[0]

    assert asyncio.run(go(open_executor)).stdout == b"1\n"
    lost = asyncio.run(go(Nowhere))
    assert (lost.status, lost.error) == ("infra_error", "no walls here")


def test_a_grader_without_a_home_is_its_own():
    """Local executors run test code themselves."""
    executor = open_executor()
    assert TestExecutionGrader(executor).home is executor
