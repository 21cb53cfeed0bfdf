"""The data set's own test code, run in the sandbox WITHOUT the candidate; standard library only.

Every name that belongs to the candidate is a `Remote`: using it looks the answer up in what the candidate said to the
same step before. A step that has no answer yet is asked for; the grader has the candidate answer it, in a process of
the candidate's own, and comes again. So test code may use the candidate in any way (loops, classes,
`check(candidate)`), and expected values and verdicts never share a process with it.

Says one of: `{"verdict": "passed"}`, `{"verdict": "failed", "error": text}`, `{"verdict": "raised", "error": text,
"answer": what the candidate said}`; or `{"at": n}` and then `{"ask": step}` lines: what it needs, the first for
certain.
"""

from __future__ import annotations

import builtins
import os
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Iterator

    from code_generation.sandbox.plain_data import NotPlainData, decode, encode
    from code_generation.sandbox.prelude import add_prelude, free_names
else:
    from plain_data import NotPlainData, decode, encode
    from prelude import add_prelude, free_names

MAX_GUESSES = 10_000
JUDGING = {n for kind in (str, bytes) for n in dir(kind) if n.startswith("is")} | {
    "startswith", "endswith", "find", "rfind", "index", "rindex", "count", "issubset", "issuperset", "isdisjoint",
    "is_integer",
}  # fmt: skip
"""Methods of plain data by which a test judges: an object that a function returned must not answer them itself."""
CLASS = "class:"
"""Begins the entry of a program's names that says which one is a class under test."""


class Conversation:
    """What a test says to the candidate and what it answered, replayed; beyond its end it guesses what comes next.

    Past the last known answer the test goes on with `Unknown` results and failing asserts are passed over, only to
    collect the steps that are likely to follow. Guesses save rounds and decide nothing: a pass needs a run in which
    every step was answered.
    """

    def __init__(
        self, steps: list[Any], answers: list[Any], emit: Callable[[Any], None], class_name: str | None = None
    ) -> None:
        self.known = list(zip(steps, answers, strict=True))
        self.emit = emit
        self.position = 0
        self.guessing = False
        self.class_name = class_name
        self.instances: set[int] = set()

    def ask(self, step: dict[str, Any]) -> Any:
        """The answer to a step: a known one, or a guess that the test can go on with."""
        number = self.position
        self.position += 1
        if not self.guessing and number < len(self.known) and self.known[number][0] == step:
            return self.result(step, self.known[number][1])
        if not self.guessing:
            self.guessing = True
            self.emit({"at": number})
        self.emit({"ask": step})
        if number > MAX_GUESSES:
            os._exit(0)
        return Unknown(self, {"r": number}, step)

    def result(self, step: dict[str, Any], answer: dict[str, Any]) -> Any:
        """What the test gets for an answer: plain data, something of the candidate's, or an error raised."""
        if "missing" in answer:
            raise _carrying(NameError(f"name {answer['missing']!r} is not defined"), answer)
        if "raised" in answer:
            if answer["raised"][:1] in (["StopIteration"], ["StopAsyncIteration"]) and step["target"] != {"n": "next"}:
                raise _carrying(
                    RuntimeError("the candidate raised StopIteration"), answer
                )  # it would end the test's loop
            kind = next((b for n in answer["raised"] if isinstance(b := getattr(builtins, n, None), type)), Exception)
            try:
                error = kind(answer.get("text", ""))
            except TypeError:  # UnicodeDecodeError and the like want more
                error = Exception(answer.get("text", ""))
            raise _carrying(error, answer)
        if "opaque" in answer:
            if self.makes_instance(step):
                self.instances.add(answer["ref"])
            return Remote(self, {"r": answer["ref"]})
        return decode(answer["value"])

    def makes_instance(self, step: dict[str, Any]) -> bool:
        """Whether a step gives an object of a class that the test asks for, whose methods are what is tested."""
        target = step["target"]
        if "g" in target:
            return bool(target["g"][:1].isupper()) or target["g"] == self.class_name
        nodes = [target, *(a for a in step.get("args", ()) if isinstance(a, dict))]
        return any(self.is_instance(n) for n in nodes)

    def is_instance(self, target: dict[str, Any]) -> bool:
        """Whether something of the candidate's is such an object, or comes from one."""
        return target.get("r") in self.instances

    def call(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, effect: bool = False) -> Any:
        """Call something of the candidate's; with `effect` changes of the arguments come back."""
        step = {"op": "call", "target": target, "args": [say(a) for a in args]}
        if kwargs:
            step["kwargs"] = {k: say(v) for k, v in kwargs.items()}
        if effect:
            step["effect"] = True
        number = self.position
        result = self.ask(step)
        if effect and not self.guessing:
            for mine, theirs in zip(args, self.known[number][1].get("args", ()), strict=False):
                if theirs is not None:
                    take_over(mine, decode(theirs[0]))
        return result


def _carrying(error: BaseException, answer: dict[str, Any]) -> BaseException:
    """An error of the candidate's, to be raised where the test called it; the verdict shows what it said."""
    error.__dict__["answer"] = answer
    return error


def take_over(mine: Any, theirs: Any) -> None:
    """A call whose result is thrown away is there for its effect: its arguments come back changed."""
    if type(mine) is list and type(theirs) is list:
        mine[:] = theirs
    elif type(mine) is type(theirs) and type(mine) in (dict, set):
        mine.clear()
        mine.update(theirs)


def say(value: Any) -> Any:
    """Encode an argument of the test: plain data, the candidate's own objects, builtins by name."""
    if isinstance(value, Remote):
        return object.__getattribute__(value, "_target")
    if isinstance(value, (list, tuple)) and any(isinstance(v, Remote) for v in value):
        items = [say(v) for v in value]
        return items if isinstance(value, list) else {"t": items}
    name = getattr(value, "__name__", "")
    if isinstance(value, (type, types.BuiltinFunctionType)) and getattr(builtins, name, None) is value:
        return {"n": name}
    return encode(value)


class Remote:
    """Something of the candidate's, as the test sees it. Never equal to the test's own data."""

    def __init__(self, conversation: Conversation, target: Any) -> None:
        object.__setattr__(self, "_conversation", conversation)
        object.__setattr__(self, "_target", target)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Ask for the call."""
        return self._conversation.call(self._target, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        if name in JUDGING and "r" in self._target and not self._conversation.is_instance(self._target):
            raise AttributeError(f"{name}: the candidate's answer is not plain data")
        return self._conversation.ask({"op": "get", "target": self._target, "name": name})

    def __setattr__(self, name: str, value: Any) -> None:
        self._conversation.ask({"op": "set", "target": self._target, "name": name, "args": [say(value)]})

    def _ask(self, function: str, *args: Any) -> Any:
        return self._conversation.call({"n": function}, (self, *args), {})

    def _compare(self, function: str, other: object) -> Any:
        if isinstance(other, Remote):
            return self._ask(function, other)
        if function in {"eq", "ne"}:  # never equal to the test's own data, whatever the object says
            return function == "ne"
        raise TypeError("the candidate's answer is not plain data, so it has no order")

    def __eq__(self, other: object) -> Any:
        return self._compare("eq", other)

    def __ne__(self, other: object) -> Any:
        return self._compare("ne", other)

    def __lt__(self, other: object) -> Any:
        return self._compare("lt", other)

    def __le__(self, other: object) -> Any:
        return self._compare("le", other)

    def __gt__(self, other: object) -> Any:
        return self._compare("gt", other)

    def __ge__(self, other: object) -> Any:
        return self._compare("ge", other)

    __hash__ = object.__hash__

    def __bool__(self) -> Any:
        return self._plain("bool", bool)

    def __len__(self) -> Any:
        return self._plain("len", int)

    def __str__(self) -> Any:
        return self._plain("str", str)

    def __repr__(self) -> Any:
        return self._plain("repr", str)

    def __iter__(self) -> Iterator[Any]:
        items = self._ask("list")
        if isinstance(items, Remote) and not isinstance(items, Unknown):  # a list of objects: one by one
            items = [items[i] for i in range(len(items))]
        return iter(() if isinstance(items, Unknown) else items)

    def __contains__(self, item: Any) -> Any:
        if self._conversation.is_instance(self._target):
            return self._plain("contains", bool, item)
        return item in list(self)  # else a function's result would judge itself

    def __getitem__(self, key: Any) -> Any:
        return self._ask("getitem", key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._ask("setitem", key, value)

    def _plain(self, function: str, kind: Any, *args: Any) -> Any:
        result = self._ask(function, *args)
        return kind() if isinstance(result, Unknown) else result


class Unknown(Remote):
    """The result of a step that has no answer yet; takes part in everything and means nothing."""

    def __init__(self, conversation: Conversation, target: Any, step: dict[str, Any]) -> None:
        super().__init__(conversation, target)
        made_by = step["target"].get("g", "")
        object.__setattr__(self, "_is_object", step["op"] == "get" or made_by[:1].isupper())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Guess on where this may be an object, else be the result of itself."""
        return super().__call__(*args, **kwargs) if self._is_object else self

    def __getattr__(self, name: str) -> Any:
        return super().__getattr__(name) if self._is_object else self

    def __setattr__(self, name: str, value: Any) -> None:
        if self._is_object:
            super().__setattr__(name, value)

    def _nothing(self, *_: Any) -> Any:
        return self

    def _true(self, *_: Any) -> Any:
        return True

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __bool__ = _true
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __floordiv__ = _nothing
    __mod__ = __pow__ = __neg__ = __abs__ = __round__ = __getitem__ = __and__ = __or__ = _nothing
    __hash__ = object.__hash__

    def __len__(self) -> Any:
        return 0

    __int__ = __index__ = __len__

    def __float__(self) -> float:
        return 0.0

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __str__(self) -> Any:
        return ""

    __repr__ = __str__


def run_check(job: dict[str, Any], emit: Callable[[Any], None]) -> int:  # noqa: C901, PLR0912 - names, code, verdict
    """Run the data set's test code against what the candidate said; emits a verdict, or the steps it needs answered."""
    import ast

    (case,) = job["cases"]
    class_name = next((n.removeprefix(CLASS) for n in job["names"] if n.startswith(CLASS)), None)
    conversation = Conversation(case["steps"], case["answers"], emit, class_name)
    names = job["names"]
    setup, tree = ast.parse(job["setup"]), ast.parse(job["source"])
    namespace: dict[str, Any] = {"__name__": "test", "__builtins__": builtins}
    _fix_chance(job["source"])
    anything = "*" in names
    names = [n for n in names if n != "*" and not n.startswith(CLASS)]
    for name in names:
        namespace[name] = Remote(conversation, {"g": name})
    wanted = free_names(f"{job['setup']}\n{job['source']}") - set(names) - set(vars(builtins))
    for name in wanted - add_prelude(wanted, namespace) - {"np"}:
        if name == "candidate" and names:
            namespace[name] = namespace[names[0]]
        elif (module := _module(name)) is not None:
            namespace[name] = module
        elif anything:
            namespace[name] = Remote(conversation, {"g": name})

    def do_assert(value: Any, message: Callable[[], Any]) -> None:
        if not value and not conversation.guessing:
            text = message()
            raise AssertionError(*(() if text is None else (text,)))

    def do_effect(function: Any, *args: Any, **kwargs: Any) -> Any:
        if type(function) is Remote:
            return conversation.call(object.__getattribute__(function, "_target"), args, kwargs, effect=True)
        return function(*args, **kwargs)

    namespace["__assert__"], namespace["__effect__"] = do_assert, do_effect
    try:
        exec(compile(_rewrite(setup), "setup.py", "exec"), namespace)  # noqa: S102
        exec(compile(_rewrite(tree), "test.py", "exec"), namespace)  # noqa: S102
        called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        for name, value in list(namespace.items()):
            if name.startswith("test") and name not in called and _takes_nothing(value):
                value()
        check = namespace.get("check")
        if isinstance(check, types.FunctionType) and "check" not in called:
            check(Remote(conversation, {"g": names[0]}))
        verdict: dict[str, Any] = {"verdict": "passed"}
        if not conversation.position:
            verdict = {"verdict": "failed", "error": "the test never used the candidate"}
    except AssertionError as e:
        verdict = {"verdict": "failed", "error": trace_line(e)}
    except NotPlainData as e:
        verdict = {"verdict": "failed", "error": str(e)}
    except BaseException as e:
        verdict = {"verdict": "raised", "error": trace_line(e), "answer": getattr(e, "answer", None)}
    if not conversation.guessing:
        emit(verdict)
    return 0


def _module(name: str) -> Any:
    """An installed module, which a test means where it uses the name without an import; None where there is none."""
    try:
        return __import__(name)
    except ImportError:
        return None


def _takes_nothing(value: Any) -> bool:
    return isinstance(value, types.FunctionType) and value.__code__.co_argcount == 0


def _fix_chance(source: str) -> None:
    """A test that draws its inputs has to draw the same ones when it runs again: else no transcript ever fits."""
    import random

    random.seed(0)
    if "numpy" in source:
        import numpy as np

        np.random.seed(0)  # noqa: NPY002 - the generator that tests of this age draw from


def trace_line(error: BaseException) -> str:
    """Kind and text of an error of the test code, one line."""
    return f"{type(error).__name__}: {error}".rstrip(": ")[:2000]


def _rewrite(tree: ast.Module) -> ast.Module:
    """Make asserts and bare calls go through the conversation."""
    import ast

    class Rewriter(ast.NodeTransformer):
        def visit_Assert(self, node: ast.Assert) -> ast.stmt:
            """`assert test, message` -> `__assert__(test, lambda: message)`."""
            self.generic_visit(node)
            empty = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
            message = ast.Lambda(args=empty, body=node.msg or ast.Constant(value=None))
            call = ast.Call(func=ast.Name(id="__assert__", ctx=ast.Load()), args=[node.test, message], keywords=[])
            return ast.copy_location(ast.Expr(value=call), node)

        def visit_Expr(self, node: ast.Expr) -> ast.stmt:
            """`f(x)` whose result is thrown away -> `__effect__(f, x)`."""
            self.generic_visit(node)
            if isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name):
                call = node.value
                effect = ast.Name(id="__effect__", ctx=ast.Load())
                node.value = ast.copy_location(
                    ast.Call(func=effect, args=[call.func, *call.args], keywords=call.keywords), call
                )
            return node

    rewritten: ast.Module = Rewriter().visit(tree)
    return ast.fix_missing_locations(rewritten)
