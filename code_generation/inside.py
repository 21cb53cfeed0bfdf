"""The one file of this project that runs beside a candidate inside the sandbox; standard library only.

Two ways to run a candidate, in a process that was forked for it:

- `script`: as `__main__`, with real file descriptors 0 and 1.
- `calls`: as a module; then the steps of the case, each answered with one line of JSON, after `{"loaded": true}`.

(The third kind of program, `check`, runs a data set's test code without any candidate: see `inside_check`.)

A step is `{"op": "call"|"get"|"set", "target": T, ...}` where T is `{"g": name}` (a global of the candidate),
`{"r": k}` (what step k gave) or `{"n": name}` (a builtin or a function of `operator`).
An answer is `{"value": V}`, `{"opaque": type, "ref": k}`, `{"raised": [class names], "text": ..., "trace": ...}` or
`{"missing": name}`. V is tagged plain data, see `encode`. Where several cases share the process, each that came to a
good end is followed by `{"done": bytes written to stdout so far}`, and the first that did not is the last.

What is covered: values cross as plain data only, taken from the C-level bases, so that a lying subclass shows its
content and an always-equal object is not data; nothing is pickled, evaluated or parsed from printed text.
What is not covered: containment. Processes, files, memory, time and network are the launcher's business.
"""

from __future__ import annotations

import builtins
import math
import os
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_DEPTH = 150
MAX_JSON_INT = 10**18
MAX_SAME_HASH = 1000
MAX_EXPONENT = 10_000
MAX_NODES = 3_000_000
RECURSION_LIMIT = 50_000  # what official graders of the field set

PRELUDE_MODULES = (
    "typing", "collections", "itertools", "functools", "heapq", "bisect", "math", "string", "re", "random", "operator",
    "copy", "datetime", "statistics", "fractions", "decimal", "io", "json", "sys", "os", "time",
)  # fmt: skip


class NotPlainData(Exception):
    """A value that can't cross the border."""


# ---------------------------------------------------------------------------------------------------- plain data


def encode(value: Any, depth: int = 0, budget: list[int] | None = None) -> Any:  # noqa: C901, PLR0912 - a table
    """Say a value in JSON with tags: 1, "a", [1] as they are; {"t": [1, 2]} a tuple, {"s": ...} a set, {"z": ...} a
    frozenset, {"d": [[key, value], ...]} a dict, {"b": "00ff"} bytes, {"f": "inf"}, {"c": [re, im]}, {"i": "0xff"} an
    integer of more than 18 digits (decimals of any length are slow to read), {"q": [1, 2]} a Fraction, {"m": "0.5"} a
    Decimal. Content is taken from the C-level bases: a subclass can't lie about it.
    """
    budget = budget if budget is not None else [MAX_NODES]
    budget[0] -= 1
    if depth > MAX_DEPTH or budget[0] < 0:
        raise NotPlainData("nested too deeply" if depth > MAX_DEPTH else "too large")
    kind = type(value)
    if value is None or kind in (bool, str):
        return value

    def inner(items: Iterable[Any]) -> list[Any]:
        return [encode(i, depth + 1, budget) for i in items]

    if kind is float or issubclass(kind, float):
        number = float.__float__(value)
        return number if math.isfinite(number) else {"f": repr(number)}
    if issubclass(kind, int):
        number = int.__int__(value)
        return number if -MAX_JSON_INT < number < MAX_JSON_INT else {"i": hex(number)}
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
        return {"q": inner((int(value.numerator), int(value.denominator)))}
    if (kind.__module__, kind.__qualname__) == ("decimal", "Decimal"):
        return {"m": str.__str__(str(value))}
    if kind.__module__ == "numpy" and getattr(value, "shape", None) == () and hasattr(value, "item"):
        item = value.item()
        if type(item) in (bool, int, float, complex, str, bytes):
            return encode(item, depth, budget)
    raise NotPlainData(f"{kind.__module__}.{kind.__qualname__} is not plain data")


def decode(node: Any, opaque: Callable[[dict[str, Any]], Any] | None = None) -> Any:  # noqa: C901, PLR0912 - a table
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
        return dict(
            zip(countable([decode(k, opaque) for k, _ in body]), [decode(v, opaque) for _, v in body], strict=True)
        )
    if tag == "s":
        result: set[Any] = set()
        result.update(frozenset(countable([decode(i, opaque) for i in body])))  # as a literal does: the order follows
        return result
    if tag == "z":
        return frozenset(countable([decode(i, opaque) for i in body]))
    if tag == "b":
        return bytes.fromhex(body)
    if tag == "f":
        return float(body)
    if tag == "c":
        return complex(decode(body[0]), decode(body[1]))
    if tag == "i":
        return int(body, 16)
    if tag == "q":
        from fractions import Fraction  # imported where there is one: each costs a start of the sandbox milliseconds

        numerator, denominator = (int(decode(i)) for i in body)
        if not denominator or max(numerator.bit_length(), denominator.bit_length()) > MAX_EXPONENT:
            raise ValueError("not a fraction")
        return Fraction(numerator, denominator)
    if tag == "m":
        from decimal import Decimal

        try:
            number = Decimal(body)
        except ArithmeticError as e:
            raise ValueError(f"not a decimal: {e}") from None
        if number.is_snan() or (number.is_finite() and abs(number.adjusted()) > MAX_EXPONENT):
            raise ValueError("a decimal that can't be compared")
        return number
    if opaque is None:
        raise ValueError(f"unknown tag {tag!r}")
    return opaque(node)


def countable(items: list[Any]) -> list[Any]:
    """Items for a set or the keys of a dict; very many of one hash would take the square of their number in time."""
    if len(items) > MAX_SAME_HASH:
        counts: dict[int, int] = {}
        for item in items:
            counts[hash(item)] = counts.get(hash(item), 0) + 1
        if sum(c * c for c in counts.values()) > 5 * MAX_SAME_HASH**2 + len(items):
            raise ValueError("too many items of one hash")
    return items


# ---------------------------------------------------------------------------------------------------- names


def free_names(source: str) -> set[str]:
    """Names that code looks up and no module-level code of it binds, builtins included: {"List", "gcd"} of
    `def f(a: List): return gcd(*a)`.
    """
    import symtable

    top = symtable.symtable(source, "names", "exec")
    read: set[str] = set()
    bound: set[str] = set()
    tables = [top]
    while tables:
        table = tables.pop()
        tables.extend(table.get_children())
        for symbol in table.get_symbols():
            outer = table is top or symbol.is_global()
            if outer and symbol.is_referenced():
                read.add(symbol.get_name())
            if outer and (symbol.is_assigned() or symbol.is_imported()):
                bound.add(symbol.get_name())
    return read - bound


def add_prelude(names: set[str], namespace: dict[str, Any]) -> set[str]:
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


def compiled(source: str, filename: str) -> types.CodeType:
    """Compile candidate code; whatever is wrong with it is a SyntaxError."""
    source = source.removeprefix("\ufeff")
    try:
        code = compile(source, filename, "exec", dont_inherit=True)
    except SyntaxError:
        raise
    except (ValueError, OverflowError, RecursionError, MemoryError) as e:  # null bytes, too deep
        raise SyntaxError(f"{type(e).__name__}: {e}") from None
    import linecache

    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    return code


def prelude_of(source: str) -> dict[str, Any]:
    """The names of the prelude that code uses and does not define; none where it is too deep to look at."""
    namespace: dict[str, Any] = {}
    try:
        add_prelude(free_names(source.removeprefix("\ufeff")), namespace)
    except (SyntaxError, RecursionError):
        pass
    return namespace


def load(source: str, filename: str, namespace: dict[str, Any]) -> None:
    """Compile and run candidate code in a namespace; compile errors are raised as SyntaxError."""
    code = compiled(source, filename)
    namespace.update({k: v for k, v in prelude_of(source).items() if k not in namespace})
    exec(code, namespace)  # noqa: S102 - what the sandbox is for


def trace_of(error: BaseException, filename: str) -> str:
    """The part of a traceback that lies in the candidate's own code, with the message."""
    import traceback

    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != filename:
        trace = trace.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, trace, limit=-12))
    except Exception:  # the candidate's __str__ may do anything
        return type(error).__name__


def add_site_builtins() -> None:
    """`-S` leaves these out; programs end with `exit()`."""
    import _sitebuiltins

    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D (i.e. EOF)")


# ---------------------------------------------------------------------------------------------------- script


def run_scripts(job: dict[str, Any], emit: Callable[[Any], None]) -> None:
    """Run the candidate as `__main__`, once a case, and end the process as Python would."""
    cases, source = job["cases"], job["source"]
    exit_now = os._exit
    job.clear()
    try:
        code = compiled(source, "main.py")
        prelude = prelude_of(source)
    except SyntaxError as e:
        emit({"syntax_error": trace_of(e, "main.py")})
        exit_now(1)
    for number, case in enumerate(cases):
        if case["stdin"] is not None:
            feed(case["stdin"])
        main = types.ModuleType("__main__")
        main.__dict__.update(__file__="main.py", __builtins__=builtins, **prelude)
        sys.modules["__main__"] = main
        status = run_main(code, main.__dict__, emit)
        last = number == len(cases) - 1 or status or not can_go_on()
        if last and "__del__" in source and len(cases) == 1:
            sys.exit(status)  # the long way: objects of modules have their say too
        status = end_main(main.__dict__, status, last=bool(last))
        if len(cases) > 1 and not status:
            emit({"done": os.fstat(1).st_size})
        if last:
            exit_now(status)


def feed(text: bytes) -> None:
    """Make this the whole of standard input, and standard input, output and error as at a start."""
    import io

    os.ftruncate(0, 0)
    os.pwrite(0, text, 0)
    os.lseek(0, 0, os.SEEK_SET)
    names = (
        ("<stdin>", "r", "surrogateescape"),
        ("<stdout>", "w", "surrogateescape"),
        ("<stderr>", "w", "backslashreplace"),
    )
    for fd, (name, mode, errors) in enumerate(names):
        raw = io.FileIO(fd, mode, closefd=False)
        raw.name = name
        buffer = io.BufferedReader(raw) if fd == 0 else io.BufferedWriter(raw)
        text_file = io.TextIOWrapper(buffer, "utf-8", errors, line_buffering=fd == 2)
        setattr(sys, name[1:-1], text_file)
        setattr(sys, f"__{name[1:-1]}__", text_file)


def run_main(code: types.CodeType, namespace: dict[str, Any], emit: Callable[[Any], None]) -> int:
    """Run a program; its exit status, by Python's rules for SystemExit."""
    try:
        exec(code, namespace)  # noqa: S102 - what the sandbox is for
    except SystemExit as e:
        if e.code is None or isinstance(e.code, int):
            return (e.code or 0) & 0xFF
        print(e.code, file=sys.stderr)
        return 1
    except BaseException as e:
        emit({"raised": [c.__name__ for c in type(e).__mro__], "trace": trace_of(e, "main.py")})
        sys.excepthook(type(e), e, e.__traceback__)
        return 1
    return 0


def can_go_on() -> bool:
    """Whether another case may follow in this process: not where threads or pools would have to end first."""
    threading = sys.modules.get("threading")
    return "concurrent.futures.thread" not in sys.modules and (threading is None or threading.active_count() == 1)


def end_main(namespace: dict[str, Any], status: int, *, last: bool) -> int:
    """What Python does at the end of a program, without taking apart what will be gone anyway; the exit status."""
    if last and "threading" in sys.modules:
        try:
            sys.modules["threading"]._shutdown()  # type: ignore[attr-defined]
        except BaseException as e:
            sys.excepthook(type(e), e, e.__traceback__)
    if "atexit" in sys.modules:
        sys.modules["atexit"]._run_exitfuncs()  # type: ignore[attr-defined]
    flushed = flush(sys.stdout)
    namespace.clear()  # files that nobody closed are flushed by that
    flushed = flush(sys.__stdout__) and flushed
    flush(sys.stderr)
    return status if flushed or status else 120


def flush(file: Any) -> bool:
    """Write out what a stream holds; whether that went well. One that is closed or None holds nothing."""
    try:
        if file is not None and not file.closed:
            file.flush()
    except Exception:  # the candidate may have put anything there
        return False
    return True


# ---------------------------------------------------------------------------------------------------- calls


def run_calls(job: dict[str, Any], emit: Callable[[Any], None]) -> int:
    """Define the candidate's names, then answer the steps of the cases one by one."""
    module = types.ModuleType("solution")
    sys.modules["solution"] = module
    for source, filename in ((job["source"], "solution.py"), (job["setup"], "setup.py")):
        try:
            if source:
                load(source, filename, module.__dict__)
        except BaseException as e:
            syntax = isinstance(e, SyntaxError) and e.filename == filename == "solution.py"
            emit({"syntax_error": trace_of(e, filename)} if syntax else _raised(e, filename))
            return 1
    emit({"loaded": True})
    for case in job["cases"]:
        results: list[Any] = []
        for number, step in enumerate(case["steps"]):
            emit(_answer(step, number, module, job["names"], results))
        if len(job["cases"]) > 1:
            emit({"done": 0})
    return 0


def _answer(  # noqa: C901 - one step, whatever it is
    step: dict[str, Any], number: int, module: types.ModuleType, classes: list[str], results: list[Any]
) -> dict[str, Any]:
    def find(node: dict[str, Any]) -> Any:
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
            result = None
            setattr(target, step["name"], args[0])
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


def _encode_or_none(value: Any) -> list[Any] | None:
    try:
        return [encode(value)]
    except NotPlainData:
        return None


def _global(module: types.ModuleType, name: str, classes: list[str]) -> Any:
    """A global of the candidate; else the method of a fresh instance of its class, `Solution().two_sum`."""
    for class_name in classes:
        if class_name != name and hasattr(getattr(module, class_name, None), name):
            return getattr(getattr(module, class_name)(), name)
    if name in module.__dict__:
        return module.__dict__[name]
    if isinstance(holder := module.__dict__.get("Solution"), type) and hasattr(holder, name):
        return getattr(holder(), name)
    raise LookupError(name)


def _builtin(name: str) -> Any:
    import operator

    return getattr(builtins, name) if hasattr(builtins, name) else getattr(operator, name)


def _raised(error: BaseException, filename: str) -> dict[str, Any]:
    try:
        text = str(error)
    except BaseException:
        text = ""
    classes = [c.__name__ for c in type(error).__mro__]
    return {"raised": classes, "text": text[:10_000], "trace": trace_of(error, filename)[-20_000:]}


# ---------------------------------------------------------------------------------------------------- entry


def run(job: dict[str, Any], answer_fd: int) -> None:
    """Run the cases of a program and end the process. `job` is a Program as plain data."""
    write = os.write

    def emit(answer: Any) -> None:
        from json import dumps

        data = dumps(answer).encode("ascii") + b"\n"
        while data:
            data = data[write(answer_fd, data) :]

    if job["kind"] == "script":
        run_scripts(job, emit)
    if job["kind"] == "calls":
        status = run_calls(job, emit)
    else:
        from inside_check import run_check

        status = run_check(job, emit)
    flush(sys.stdout)
    os._exit(status)  # nothing that the candidate left running or registered has a say after the answers
