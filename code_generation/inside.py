"""The one file of this project that runs inside the sandbox; standard library only, imports nothing of ours.

Three ways to run a program, one process a case:

- `script`: the candidate as `__main__`, with real file descriptors 0 and 1.
- `calls`: the candidate as a module; then the steps of the case, each answered with one line of JSON.
- `check`: the data set's own test code, WITHOUT the candidate. Every name that belongs to the candidate is a `Remote`:
  using it looks the answer up in what the candidate said to the same step before. A step that is not there yet is
  asked for, and the grader runs `calls` with it and comes again. So test code may use the candidate in any way, and
  expected values and verdicts never share a process with it.

A step is `{"op": "call"|"get"|"set", "target": T, ...}` where T is `{"g": name}` (a global of the candidate), `{"r": k}`
(what step k gave) or `{"n": name}` (a builtin or a function of `operator`).
An answer is `{"value": V}`, `{"opaque": type, "ref": k}`, `{"raised": [class names], "text": ..., "trace": ...}` or
`{"missing": name}`. V is tagged plain data, see `encode`.

What is covered: values cross as plain data only, taken from the C-level bases, so that a lying subclass shows its content
and an always-equal object is not data; nothing is pickled, evaluated or parsed from printed text.
What is not covered: containment. Processes, files, memory, time and network are the launcher's business.
"""

from __future__ import annotations

import builtins
import math
import os
import sys
import types

MAX_DEPTH = 150
MAX_NODES = 3_000_000
MAX_GUESSES = 10_000
RECURSION_LIMIT = 50_000  # what official graders of the field set

PRELUDE_MODULES = (
    "typing", "collections", "itertools", "functools", "heapq", "bisect", "math", "string", "re", "random", "operator",
    "copy", "datetime", "statistics", "fractions", "decimal", "io", "json", "sys", "os", "time",
)  # fmt: skip


class NotPlainData(Exception):
    """A value that can't cross the border."""


# ---------------------------------------------------------------------------------------------------- plain data


def encode(value, depth=0, budget=None):
    """Say a value in JSON with tags: 1, "a", [1] as they are; {"t": [1, 2]} a tuple, {"s": ...} a set, {"z": ...} a
    frozenset, {"d": [[key, value], ...]} a dict, {"b": "00ff"} bytes, {"f": "inf"}, {"c": [re, im]}, {"q": "1/2"} a
    Fraction, {"m": "0.5"} a Decimal. Content is taken from the C-level bases: a subclass can't lie about it.
    """
    budget = budget if budget is not None else [MAX_NODES]
    budget[0] -= 1
    if depth > MAX_DEPTH or budget[0] < 0:
        raise NotPlainData("nested too deeply" if depth > MAX_DEPTH else "too large")
    kind = type(value)
    if value is None or kind in (bool, str, int):
        return value

    def inner(items):
        return [encode(i, depth + 1, budget) for i in items]

    if kind is float or issubclass(kind, float):
        number = float.__float__(value)
        return number if math.isfinite(number) else {"f": repr(number)}
    if issubclass(kind, int):
        return int.__int__(value)
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, list):
        return inner(list.__iter__(value))
    if issubclass(kind, tuple):
        return {"t": inner(tuple.__iter__(value))}
    if issubclass(kind, dict):
        return {"d": [inner(pair) for pair in dict.items(value)]}
    if issubclass(kind, set):
        return {"s": inner(set.__iter__(value))}
    if issubclass(kind, frozenset):
        return {"z": inner(frozenset.__iter__(value))}
    if issubclass(kind, (bytes, bytearray)):
        return {"b": bytes.hex(value) if issubclass(kind, bytes) else bytearray.hex(value)}
    if kind is complex:
        return {"c": inner((value.real, value.imag))}
    if (kind.__module__, kind.__qualname__) == ("fractions", "Fraction"):
        return {"q": f"{int(value.numerator)}/{int(value.denominator)}"}
    if (kind.__module__, kind.__qualname__) == ("decimal", "Decimal"):
        return {"m": str.__str__(str(value))}
    if kind.__module__ == "numpy" and getattr(value, "shape", None) == () and hasattr(value, "item"):
        item = value.item()
        if type(item) in (bool, int, float, complex, str, bytes):
            return encode(item, depth, budget)
    raise NotPlainData(f"{kind.__module__}.{kind.__qualname__} is not plain data")


def decode(node, opaque=None):
    """Turn tagged data into builtin objects; `opaque(node)` makes what stands for references and builtins.

    Raises ValueError, TypeError or KeyError where the data is not what `encode` writes: it came from the candidate.
    """
    if node is None or isinstance(node, (bool, int, float, str)):
        return node
    if isinstance(node, list):
        return [decode(i, opaque) for i in node]
    ((tag, body),) = node.items()
    if tag == "t":
        return tuple(decode(i, opaque) for i in body)
    if tag == "d":
        return {decode(k, opaque): decode(v, opaque) for k, v in body}
    if tag == "s":
        return {decode(i, opaque) for i in body}
    if tag == "z":
        return frozenset(decode(i, opaque) for i in body)
    if tag == "b":
        return bytes.fromhex(body)
    if tag == "f":
        return float(body)
    if tag == "c":
        return complex(decode(body[0]), decode(body[1]))
    if tag == "q":
        from fractions import Fraction  # imported where there is one: each costs a start of the sandbox milliseconds

        return Fraction(body)
    if tag == "m":
        from decimal import Decimal

        return Decimal(body)
    if opaque is None:
        raise ValueError(f"unknown tag {tag!r}")
    return opaque(node)


# ---------------------------------------------------------------------------------------------------- names


def free_names(tree):
    """Names that code reads and nowhere binds, builtins included: {"List", "gcd"} of `def f(a: List): return gcd(*a)`."""
    import ast

    read, bound = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            bound.update((a.asname or a.name).partition(".")[0] for a in node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
        elif isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name:
            bound.add(node.name)
    return read - bound


def add_prelude(names, namespace):
    """Give code the names that official graders import for it (`List`, `defaultdict`, `math`, `gcd`), never a builtin.

    Only names that the code uses are looked up, so nothing is imported for code that imports what it needs.
    Returns the names that were found.
    """
    wanted = {n for n in names if not hasattr(builtins, n) and n not in namespace and not n.startswith("_")}
    found = wanted & set(PRELUDE_MODULES)
    for name in found:
        namespace[name] = __import__(name)
    for module_name in PRELUDE_MODULES:
        missing = wanted - found
        if not missing:
            break
        if module_name in ("sys", "os", "time"):
            continue  # their functions are too generic to be meant: `path`, `name`, `open`
        module = __import__(module_name)
        exported = set(getattr(module, "__all__", None) or (n for n in dir(module) if not n.startswith("_")))
        for name in missing & exported:
            namespace[name] = getattr(module, name)
            found.add(name)
    if "np" in wanted:
        try:
            namespace["np"] = __import__("numpy")
        except ImportError:
            pass
    return found


def load(source, filename, namespace):
    """Compile and run candidate code in a namespace; compile errors are raised as SyntaxError."""
    import ast

    source = source.removeprefix("\ufeff")
    try:
        code = compile(source, filename, "exec", dont_inherit=True)
    except SyntaxError:
        raise
    except (ValueError, OverflowError, RecursionError, MemoryError) as e:  # null bytes, too deep
        raise SyntaxError(f"{type(e).__name__}: {e}") from None
    try:
        add_prelude(free_names(ast.parse(source)), namespace)
    except RecursionError:
        pass  # too deep to look at, although it compiles: it goes without the prelude
    lines = source.splitlines(keepends=True)
    sys.modules.get("linecache", __import__("linecache")).cache[filename] = (len(source), None, lines, filename)
    exec(code, namespace)  # noqa: S102 - what the sandbox is for


def trace_of(error, filename):
    """The part of a traceback that lies in the candidate's own code, with the message."""
    import traceback

    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != filename:
        trace = trace.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, trace, limit=-12))
    except Exception:  # the candidate's __str__ may do anything
        return type(error).__name__


def add_site_builtins():
    """`-S` leaves these out; programs end with `exit()`."""
    import _sitebuiltins

    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D (i.e. EOF)")


# ---------------------------------------------------------------------------------------------------- script


def run_script(job, emit):
    """Run the candidate as `__main__`; returns the exit status, by Python's rules for SystemExit."""
    main = types.ModuleType("__main__")
    main.__file__ = "main.py"
    main.__builtins__ = builtins
    sys.modules["__main__"] = main
    sys.argv = ["main.py"]
    try:
        load(job["source"], "main.py", main.__dict__)
    except SystemExit as e:
        if e.code is None or isinstance(e.code, int):
            return e.code or 0
        print(e.code, file=sys.stderr)
        return 1
    except SyntaxError as e:
        emit({"syntax_error": trace_of(e, "main.py")})
        return 1
    except BaseException as e:
        emit({"raised": [c.__name__ for c in type(e).__mro__], "trace": trace_of(e, "main.py")})
        sys.excepthook(type(e), e, e.__traceback__)
        return 1
    return 0


# ---------------------------------------------------------------------------------------------------- calls


def run_calls(job, emit):
    """Define the candidate's names, then answer the steps of the case one by one."""
    module = types.ModuleType("solution")
    sys.modules["solution"] = module
    try:
        load(job["source"], "solution.py", module.__dict__)
    except SyntaxError as e:
        emit({"syntax_error": trace_of(e, "solution.py")})
        return 1
    except BaseException as e:
        emit(_raised(e, "solution.py"))
        return 1
    if job["setup"]:
        try:
            load(job["setup"], "setup.py", module.__dict__)
        except BaseException as e:
            emit(_raised(e, "setup.py"))
            return 1
    results = []
    for number, step in enumerate(job["case"]["steps"]):
        emit(_answer(step, number, module, job["names"], results))
    return 0


def _answer(step, number, module, classes, results):
    def find(node):
        if "r" in node:
            return results[node["r"]]
        if "n" in node:
            return _builtin(node["n"])
        return _global(module, node["g"], classes)

    results.append(None)
    try:
        target = find(step["target"])
    except LookupError:
        return {"missing": step["target"].get("g", "")}
    try:
        args = [decode(a, find) for a in step.get("args", ())]
        kwargs = {k: decode(v, find) for k, v in step.get("kwargs", {}).items()}
        if step["op"] == "get":
            result = getattr(target, step["name"])
        elif step["op"] == "set":
            result = setattr(target, step["name"], args[0])
        else:
            result = target(*args, **kwargs)
        if isinstance(result, types.CoroutineType):
            import asyncio

            result = asyncio.run(result)
        results[number] = result
        try:
            answer = {"value": encode(result)}
        except NotPlainData:
            answer = {"opaque": type(result).__name__, "ref": number}
        if step.get("effect"):
            answer["args"] = [_encode_or_none(a) for a in args]
    except BaseException as e:
        return _raised(e, "solution.py")
    return answer


def _encode_or_none(value):
    try:
        return [encode(value)]
    except NotPlainData:
        return None


def _global(module, name, classes):
    """A global of the candidate; else the method of a fresh instance of its class, `Solution().two_sum`."""
    for class_name in classes:
        if class_name != name and hasattr(getattr(module, class_name, None), name):
            return getattr(getattr(module, class_name)(), name)
    if name in module.__dict__:
        return module.__dict__[name]
    if isinstance(holder := module.__dict__.get("Solution"), type) and hasattr(holder, name):
        return getattr(holder(), name)
    raise LookupError(name)


def _builtin(name):
    import operator

    return getattr(builtins, name) if hasattr(builtins, name) else getattr(operator, name)


def _raised(error, filename):
    try:
        text = str(error)
    except BaseException:
        text = ""
    classes = [c.__name__ for c in type(error).__mro__]
    return {"raised": classes, "text": text[:10_000], "trace": trace_of(error, filename)[-20_000:]}


# ---------------------------------------------------------------------------------------------------- check


class Conversation:
    """What a test says to the candidate and what it answered, replayed; beyond its end it guesses what comes next.

    Past the last known answer the test goes on with `Unknown` results and failing asserts are passed over, only to
    collect the steps that are likely to follow. Guesses save rounds and decide nothing: a pass needs a run in which
    every step was answered.
    """

    def __init__(self, steps, answers, emit):
        self.known = list(zip(steps, answers))
        self.emit = emit
        self.position = 0
        self.guessing = False

    def ask(self, step):
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

    def result(self, step, answer):
        if "missing" in answer:
            error = NameError(f"name {answer['missing']!r} is not defined")
            error.answer = answer
            raise error
        if "raised" in answer:
            kind = next((b for n in answer["raised"] if isinstance(b := getattr(builtins, n, None), type)), Exception)
            try:
                error = kind(answer.get("text", ""))
            except TypeError:  # UnicodeDecodeError and the like want more
                error = Exception(answer.get("text", ""))
            error.answer = answer
            raise error
        if "opaque" in answer:
            return Remote(self, {"r": answer["ref"]})
        return decode(answer["value"])

    def call(self, target, args, kwargs, effect=False):
        step = {"op": "call", "target": target, "args": [say(a) for a in args]}
        if kwargs:
            step["kwargs"] = {k: say(v) for k, v in kwargs.items()}
        if effect:
            step["effect"] = True
        number = self.position
        result = self.ask(step)
        if effect and not self.guessing:
            for mine, theirs in zip(args, self.known[number][1].get("args", ())):
                if theirs is not None:
                    take_over(mine, decode(theirs[0]))
        return result


def take_over(mine, theirs):
    """A call whose result is thrown away is there for its effect: its arguments come back changed."""
    if type(mine) is list and type(theirs) is list:
        mine[:] = theirs
    elif type(mine) is type(theirs) and type(mine) in (dict, set):
        mine.clear()
        mine.update(theirs)


def say(value):
    """Encode an argument of the test: plain data, the candidate's own objects, builtins by name."""
    if isinstance(value, Remote):
        return object.__getattribute__(value, "_target")
    if isinstance(value, (list, tuple)) and any(isinstance(v, Remote) for v in value):
        items = [say(v) for v in value]
        return items if isinstance(value, list) else {"t": items}
    if isinstance(value, (type, types.BuiltinFunctionType)) and getattr(builtins, value.__name__, None) is value:
        return {"n": value.__name__}
    return encode(value)


class Remote:
    """Something of the candidate's, as the test sees it. Never equal to the test's own data."""

    def __init__(self, conversation, target):
        object.__setattr__(self, "_conversation", conversation)
        object.__setattr__(self, "_target", target)

    def __call__(self, *args, **kwargs):
        return self._conversation.call(self._target, args, kwargs)

    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return self._conversation.ask({"op": "get", "target": self._target, "name": name})

    def __setattr__(self, name, value):
        self._conversation.ask({"op": "set", "target": self._target, "name": name, "args": [say(value)]})

    def _ask(self, function, *args):
        return self._conversation.call({"n": function}, (self, *args), {})

    def _compare(self, function, other):
        if not isinstance(other, Remote):
            raise NotPlainData("the candidate's answer is not plain data, so it equals nothing")
        return self._ask(function, other)

    def __eq__(self, other):
        return self._compare("eq", other)

    def __ne__(self, other):
        return self._compare("ne", other)

    def __lt__(self, other):
        return self._compare("lt", other)

    def __le__(self, other):
        return self._compare("le", other)

    def __gt__(self, other):
        return self._compare("gt", other)

    def __ge__(self, other):
        return self._compare("ge", other)

    __hash__ = object.__hash__

    def __bool__(self):
        return self._plain("bool", bool)

    def __len__(self):
        return self._plain("len", int)

    def __str__(self):
        return self._plain("str", str)

    def __repr__(self):
        return self._plain("repr", str)

    def __iter__(self):
        return iter(self._plain("list", list))

    def __contains__(self, item):
        return self._plain("contains", bool, item)

    def __getitem__(self, key):
        return self._ask("getitem", key)

    def __setitem__(self, key, value):
        self._ask("setitem", key, value)

    def _plain(self, function, kind, *args):
        result = self._ask(function, *args)
        return kind() if isinstance(result, Unknown) else result


class Unknown(Remote):
    """The result of a step that has no answer yet; takes part in everything and means nothing."""

    def __init__(self, conversation, target, step):
        super().__init__(conversation, target)
        made_by = step["target"].get("g", "")
        object.__setattr__(self, "_is_object", step["op"] == "get" or made_by[:1].isupper())

    def __call__(self, *args, **kwargs):
        return super().__call__(*args, **kwargs) if self._is_object else self

    def __getattr__(self, name):
        return super().__getattr__(name) if self._is_object else self

    def __setattr__(self, name, value):
        if self._is_object:
            super().__setattr__(name, value)

    def _nothing(self, *args):
        return self

    def _true(self, *args):
        return True

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __bool__ = _true
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __floordiv__ = _nothing
    __mod__ = __pow__ = __neg__ = __abs__ = __round__ = __getitem__ = __and__ = __or__ = _nothing
    __hash__ = object.__hash__

    def __len__(self):
        return 0

    __int__ = __index__ = __len__

    def __float__(self):
        return 0.0

    def __iter__(self):
        return iter(())

    def __str__(self):
        return ""

    __repr__ = __str__


def run_check(job, emit):
    """Run the data set's test code against what the candidate said; emits a verdict, or the steps it needs answered."""
    import ast

    case = job["case"]
    conversation = Conversation(case["steps"], case["answers"], emit)
    names = job["names"]
    setup, tree = ast.parse(job["setup"]), ast.parse(job["source"])
    both = ast.Module(body=[*setup.body, *tree.body], type_ignores=[])
    namespace = {"__name__": "test", "__builtins__": builtins}
    wanted = free_names(both) - set(names)
    found = add_prelude(wanted, namespace)
    for name in (wanted - found - {"np"}) | set(names):
        if name in names or not hasattr(builtins, name):
            namespace[name] = Remote(conversation, {"g": names[0] if name == "candidate" and names else name})

    def do_assert(value, message):
        if not value and not conversation.guessing:
            text = message()
            raise AssertionError(*(() if text is None else (text,)))

    def do_effect(function, *args, **kwargs):
        if type(function) is Remote:
            return conversation.call(object.__getattribute__(function, "_target"), args, kwargs, effect=True)
        return function(*args, **kwargs)

    namespace["__assert__"], namespace["__effect__"] = do_assert, do_effect
    try:
        exec(compile(_rewrite(setup), "setup.py", "exec"), namespace)  # noqa: S102
        exec(compile(_rewrite(tree), "test.py", "exec"), namespace)  # noqa: S102
        called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        if isinstance(namespace.get("check"), types.FunctionType) and "check" not in called:
            namespace["check"](Remote(conversation, {"g": names[0]}))
        verdict = {"verdict": "passed"}
    except AssertionError as e:
        verdict = {"verdict": "failed", "error": trace_line(e)}
    except NotPlainData as e:
        verdict = {"verdict": "failed", "error": str(e)}
    except BaseException as e:
        verdict = {"verdict": "raised", "error": trace_line(e), "answer": getattr(e, "answer", None)}
    if not conversation.guessing:
        emit(verdict)
    return 0


def trace_line(error):
    """Kind and text of an error of the test code, one line."""
    return f"{type(error).__name__}: {error}".rstrip(": ")[:2000]


def _rewrite(tree):
    """Make asserts and bare calls go through the conversation."""
    import ast

    class Rewriter(ast.NodeTransformer):
        def visit_Assert(self, node):
            self.generic_visit(node)
            empty = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
            message = ast.Lambda(args=empty, body=node.msg or ast.Constant(value=None))
            call = ast.Call(func=ast.Name(id="__assert__", ctx=ast.Load()), args=[node.test, message], keywords=[])
            return ast.copy_location(ast.Expr(value=call), node)

        def visit_Expr(self, node):
            self.generic_visit(node)
            if isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name):
                call = node.value
                effect = ast.Name(id="__effect__", ctx=ast.Load())
                node.value = ast.copy_location(
                    ast.Call(func=effect, args=[call.func, *call.args], keywords=call.keywords), call
                )
            return node

    return ast.fix_missing_locations(Rewriter().visit(tree))


# ---------------------------------------------------------------------------------------------------- entry


def run(job, answer_fd):
    """Run one case of a program; returns the exit status of the process. `job` is a Program with one `case`."""
    add_site_builtins()
    sys.setrecursionlimit(RECURSION_LIMIT)
    write = os.write

    def emit(answer):
        from json import dumps  # a script rarely has anything to say here

        data = dumps(answer).encode("ascii") + b"\n"
        while data:
            data = data[write(answer_fd, data) :]

    if job["kind"] == "script":
        return run_script(job, emit)
    status = run_calls(job, emit) if job["kind"] == "calls" else run_check(job, emit)
    sys.stdout.flush()
    os._exit(status)  # nothing that the candidate left running or registered has a say after the answers
