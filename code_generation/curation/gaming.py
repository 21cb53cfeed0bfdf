"""Signs that a solution games its tests instead of solving its problem, read off the syntax tree; nothing is run.

The sandbox is what makes a verdict true: no answer can be found, forged or patched from within, see docs/safety.md.
These signs are for what comes after: a row that passed and still tried is nothing to learn from, and answers that are
written down pass every sandbox. A kind is `excluding` where honest solutions have no use for it, measured on some 3,000
recorded answers with a verdict of pass and 2,800 reference solutions; else it is `noted`. What competitive programs do
is no sign: reading through `os.read` or `open(0)`, writing by `os.write(1, ...)`, another `sys.stdout`, `exit()`,
threads for a deeper stack, recursion limits, orders of their own (`__lt__`).
"""

from __future__ import annotations

import ast
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from code_generation.curation.hardcoded import hard_coded
from code_generation.curation.normal import nodes_of, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from code_generation.models import CodeProblem

Severity = Literal["excluding", "noted"]


class Sign(NamedTuple):
    """One place in a solution."""

    kind: str
    """A key of `KINDS`."""
    line: int
    what: str
    """What stands there, for people."""


class Kind(NamedTuple):
    """What a kind of sign means."""

    severity: Severity
    """Whether such rows are left out of exports unless asked for."""
    says: str


KINDS = {
    "unread": Kind("excluding", "code that does not parse, or is too long to be looked at"),
    "hard_coded": Kind("excluding", "inputs of the problem's tests stand in the code with their answers"),
    "few_answers": Kind("noted", "the code answers all tests from literals; the problem may be that small"),
    "ignores_input": Kind("noted", "a program that reads nothing, for a problem whose tests have input"),
    "frames": Kind("excluding", "looks at the frames or the source of who called it"),
    "heap": Kind("excluding", "looks through all objects of the interpreter, or for its classes"),
    "modules": Kind("excluding", "reaches into loaded modules, or into the program that runs it"),
    "system_files": Kind("excluding", "reads the system's files, such as /proc or /etc"),
    "environment": Kind("excluding", "reads the environment as a whole, or keys from it"),
    "environment_flag": Kind("noted", "reads one variable of the environment, such as ONLINE_JUDGE"),
    "hard_exit": Kind("excluding", "ends or replaces the process past Python: os._exit, os.abort, os.execv"),
    "early_exit": Kind("excluding", "a function or its module ends the program, skips or interrupts its test"),
    "exit_hook": Kind("excluding", "replaces what Python does with an exception that ends the program"),
    "at_exit": Kind("noted", "runs something when the program ends"),
    "patched": Kind("excluding", "replaces parts of other modules or builtins"),
    "always_equal": Kind("excluding", "an object that claims to equal anything"),
    "always_ordered": Kind("noted", "an object that claims to come before, or after, anything"),
    "lying_type": Kind("excluding", "an object that shows other people another class, or code to unpickle"),
    "builtin_subclass": Kind("noted", "a subclass of a builtin type that compares, iterates or prints otherwise"),
    "channels": Kind("excluding", "writes to, closes or resizes file descriptors that it was not given"),
    "native": Kind("excluding", "reaches into memory: ctypes, cffi"),
    "processes": Kind("excluding", "starts or ends other processes"),
    "network": Kind("excluding", "opens connections"),
    "signals": Kind("noted", "changes timers or handlers of signals"),
    "hidden_code": Kind("excluding", "runs code that it decodes first"),
    "run_time_code": Kind("noted", "runs code that is text"),
    "writes_files": Kind("noted", "writes, moves or removes files"),
    "outlives": Kind("noted", "starts threads or processes that nobody waits for"),
}
"""Kind of sign -> whether it excludes a row, and what it means."""

PATHS = {
    "frames": "sys._getframe sys._current_frames sys.settrace sys.setprofile sys.monitoring sys.call_tracing "
    "inspect.stack inspect.currentframe inspect.trace inspect.getouterframes inspect.getinnerframes inspect.getsource "
    "inspect.getframeinfo traceback.walk_stack traceback.walk_tb traceback.extract_stack traceback.extract_tb "
    "traceback.StackSummary threading.settrace threading.setprofile linecache dis.get_instructions",
    "heap": "gc.get_objects gc.get_referrers gc.get_referents tracemalloc.take_snapshot",
    "modules": "sys.modules __main__ sys.meta_path sys.path_hooks importlib.reload pkgutil.walk_packages "
    "_pytest pytest unittest.mock doctest",
    "hard_exit": "os._exit os.abort os.execv os.execve os.execvp os.execvpe os.execl os.execle os.execlp posix._exit "
    "faulthandler._sigsegv",
    "native": "ctypes cffi _ctypes mmap.mmap",
    "processes": "subprocess os.system os.popen os.fork os.forkpty os.posix_spawn os.posix_spawnp os.spawnl os.spawnv "
    "os.kill os.killpg os.getppid os.setsid os.daemon pty.spawn pty.fork signal.raise_signal signal.pthread_kill "
    "_posixsubprocess asyncio.create_subprocess_exec asyncio.create_subprocess_shell psutil os.ptrace",
    "network": "socket requests urllib.request http.client httpx aiohttp ftplib smtplib asyncio.open_connection ssl",
    "environment": "os.environ os.environb os.getenvb",
    "signals": "signal.signal signal.alarm signal.setitimer signal.pthread_sigmask signal.siginterrupt "
    "resource.setrlimit",
    "channels": "os.pwrite os.pwritev os.ftruncate os.truncate os.dup2 os.sendfile os.closerange os.memfd_create "
    "os.mkfifo os.set_blocking fcntl",
    "writes_files": "os.remove os.unlink os.rename os.replace os.rmdir os.mkdir os.makedirs os.symlink os.link "
    "os.chmod os.utime shutil tempfile",
    "system_files": "os.path.expanduser pathlib.Path.home",
    "at_exit": "atexit.register threading._register_atexit weakref.finalize",
    "outlives": "multiprocessing.Process multiprocessing.Pool",
    "hidden_code": "marshal.loads marshal.load",
}
"""Kind -> dotted names of which one's use is a sign; a module stands for all that it holds."""
_KIND_OF = {path: kind for kind, paths in PATHS.items() for path in paths.split()}
ATTRIBUTES = {
    **dict.fromkeys(
        "f_back f_locals f_globals f_builtins f_code tb_frame tb_next gi_frame cr_frame ag_frame __traceback__".split(),  # noqa: SIM905
        "frames",
    ),
    "__subclasses__": "heap",
    "__builtins__": "patched",
    "__globals__": "modules",
}
"""Attribute of anything -> kind."""
STREAMS = {"stdin", "stdout", "stderr", "tracebacklimit", "dont_write_bytecode", "argv", "ps1"}
"""What honest programs replace in `sys`."""
LONGEST_PATH = 12
"""Parts of a dotted name that are followed."""
SYSTEM = ("/proc", "/sys/", "/etc/", "/root", "/var/", "/boot", "/run/")
SECRET = ("KEY", "SECRET", "TOKEN", "PASSW", "CREDENTIAL")
_DECODERS = {"b64decode", "b32decode", "b85decode", "a85decode", "unhexlify", "decompress", "fromhex", "decode", "chr"}
_ALWAYS = {
    "__eq__": "True", "__ne__": "False", "__lt__": "True", "__le__": "True", "__gt__": "True", "__ge__": "True",
}  # fmt: skip
_SHOWN = {"__iter__", "__repr__", "__str__", "__len__", "__getitem__", "__format__", "items", "keys", "values"}
_BUILTIN_TYPES = {"int", "float", "str", "list", "tuple", "dict", "set", "frozenset", "bool", "bytes", "complex"}
_OPENERS = {"open", "Path", "listdir", "scandir", "walk", "glob", "iglob", "readlink", "stat"}
_DESCRIPTORS = {"os.read": (0,), "os.write": (1, 2), "os.fdopen": (0, 1, 2), "os.close": ()}
"""Calls with a file descriptor -> those that a program is given for it."""
_VARIABLES = {"os.getenv", "os.environ.get", "os.environ.setdefault", "os.environ.pop"}
_EXITS = {"sys.exit", "exit", "quit", "builtins.exit", "builtins.quit"}
_READS = {"input", "open", "stdin", "fileinput", "read", "readline", "readlines", "fdopen", "__import__"}


def signs(code: str, problem: CodeProblem | None = None) -> list[Sign]:
    """The signs in a solution, by line; a kind once a line. What can't be looked at is one: padding hides nothing.

    With its problem, what depends on that is told too: whether answers of its tests stand in the code, and whether it
    may exit, as programs may and functions may not.
    """
    tree = tree_of(code)
    if tree is None:
        return [Sign("unread", 1, f"{len(code):,} characters")]
    found = _Look(tree, _is_function(tree, problem)).found()
    if problem is not None:
        found += [Sign("hard_coded" if f.sure else "few_answers", f.line, f.what) for f in hard_coded(tree, problem)]
        if _ignores_input(tree, problem):
            found.append(Sign("ignores_input", 1, "reads no input"))
    return sorted({(s.line, s.kind): s for s in reversed(found)}.values(), key=lambda s: (s.line, s.kind))


def excluding(found: Iterable[Sign]) -> list[Sign]:
    """Those signs for which a row is left out of exports by default."""
    return [s for s in found if KINDS[s.kind].severity == "excluding"]


def _is_function(tree: ast.Module, problem: CodeProblem | None) -> bool:
    """Whether tests call a function; without a problem, whether the code reads no input."""
    if problem is not None:
        return bool(problem.func_name) or any(t.type != "stdin" for t in problem.test_cases)
    return not _reads(tree)


def _reads(tree: ast.Module) -> bool:
    return any(
        (isinstance(n, ast.Name) and n.id in _READS) or (isinstance(n, ast.Attribute) and n.attr in _READS)
        for n in nodes_of(tree)
    )


def _ignores_input(tree: ast.Module, problem: CodeProblem) -> bool:
    tests = problem.test_cases
    return bool(tests) and all(t.type == "stdin" and t.input.strip() for t in tests) and not _reads(tree)


class _Look:
    """One look through a tree."""

    def __init__(self, tree: ast.Module, is_function: bool) -> None:  # noqa: FBT001 - private
        self._tree, self._is_function = tree, is_function
        self._imports: dict[str, str] = {}
        self._nodes = nodes_of(tree)
        for node in self._nodes:
            if isinstance(node, ast.Import):
                for a in node.names:
                    self._imports[a.asname or a.name.partition(".")[0]] = (
                        a.name if a.asname else a.name.partition(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom):
                self._imports |= {a.asname or a.name: f"{node.module or ''}.{a.name}" for a in node.names}
        self._guarded = {
            id(inner)
            for node in tree.body
            if isinstance(node, ast.If) and "__name__" in {n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)}
            for inner in ast.walk(node)
        }
        self._looped = {n.target.id for n in self._nodes if isinstance(n, ast.For) and isinstance(n.target, ast.Name)}
        self._asked: set[int] = set()

    def found(self) -> list[Sign]:
        """All that the tree shows by itself."""
        signs: list[Sign] = []
        for node in self._nodes:
            look = _LOOKS.get(type(node))
            if look is not None:
                with suppress(RecursionError):  # nested deeper than honest code is: the other nodes tell enough
                    signs += [Sign(kind, getattr(node, "lineno", 1), what) for kind, what in look(self, node)]
        return signs

    def path(self, node: ast.expr, left: int = LONGEST_PATH) -> str:
        """The dotted name that an expression is known to be, through imports: `o._exit` -> "os._exit"; else ""."""
        match node:
            case ast.Name(id=name):
                return self._imports.get(name, name if name in {"__builtins__", "exit", "quit"} else "")
            case ast.Attribute(value=value, attr=attr):
                above = self.path(value, left - 1) if left else ""
                return f"{above}.{attr}" if above else ""
            case ast.Call(func=ast.Name(id="__import__"), args=[ast.Constant(value=str(name)), *_]):
                return name
            case ast.Call(func=ast.Name(id="getattr"), args=[value, ast.Constant(value=str(attr)), *_]):
                above = self.path(value, left - 1) if left else ""
                return f"{above}.{attr}" if above else ""
            case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]):
                return name if left and self.path(function, left - 1) == "importlib.import_module" else ""
        return ""

    # each of these looks at one kind of node and yields (kind, what)

    def name(self, node: ast.Name) -> Iterator[tuple[str, str]]:
        path = self._imports.get(node.id, "")
        if "." in path and isinstance(node.ctx, ast.Load) and id(node) not in self._asked:
            yield from self._used(path)
        if node.id == "__builtins__":
            yield "patched", "__builtins__"

    def attribute(self, node: ast.Attribute) -> Iterator[tuple[str, str]]:
        if node.attr in ATTRIBUTES and not (node.attr == "tb_next" and isinstance(node.ctx, ast.Store)):
            yield ATTRIBUTES[node.attr], f".{node.attr}"
        path = self.path(node)
        if path and isinstance(node.ctx, ast.Load):
            if id(node) not in self._asked:
                yield from self._used(path)
        elif path:
            yield from self._replaced(path)

    def subscript(self, node: ast.Subscript) -> Iterator[tuple[str, str]]:
        """`os.environ["DEBUG"]`, and a module that looks itself up."""
        path = self.path(node.value)
        if path == "os.environ":
            self._asked.add(id(node.value))
            yield from self._variable(node.slice)
        elif path == "sys.modules" and isinstance(node.slice, ast.Name) and node.slice.id == "__name__":
            self._asked.add(id(node.value))

    def compare(self, node: ast.Compare) -> Iterator[tuple[str, str]]:
        """`"DEBUG" in os.environ`."""
        for value in node.comparators:
            if self.path(value) == "os.environ" and len(node.ops) == 1:
                self._asked.add(id(value))
                yield from self._variable(node.left)

    def imported(self, node: ast.ImportFrom) -> Iterator[tuple[str, str]]:
        """`from ctypes import *`: what is used of it then has no module."""
        if node.names[0].name == "*" and (kind := _KIND_OF.get(node.module or "")):
            yield kind, f"from {node.module} import *"

    def _used(self, path: str) -> Iterator[tuple[str, str]]:
        parts = path.split(".")
        for n in range(len(parts), 0, -1):
            if kind := _KIND_OF.get(".".join(parts[:n])):
                if kind == "hard_exit" and parts[-1] == "_exit" and not self._is_function:
                    return
                yield kind, path
                return

    def _replaced(self, path: str) -> Iterator[tuple[str, str]]:
        module = path.rpartition(".")[0]
        if path in {"sys.excepthook", "sys.unraisablehook", "threading.excepthook"}:
            yield "exit_hook", path
        elif (
            module
            and not (path.startswith("sys.") and path.split(".")[1] in STREAMS)
            and module.split(".")[0] in self._imports.values()
        ):
            yield "patched", path

    def call(self, node: ast.Call) -> Iterator[tuple[str, str]]:
        path, name = self.path(node.func), _last(node.func)
        if named := self.path(node):  # getattr(sys, "...")
            yield from self._used(named)
        if (path in _EXITS and self._is_function and id(node) not in self._guarded) or path == "pytest.skip":
            yield "early_exit", f"{path}()"
        if isinstance(node.func, ast.Name) and node.args:
            yield from self._builtin(name, node.args[0])
        if name in _OPENERS:
            yield from self._opened(node, path or name)
        if path in _DESCRIPTORS and node.args:
            yield from self._descriptor(node.args[0], path)
        if path in _VARIABLES and node.args:
            self._asked |= {id(n) for n in ast.walk(node.func)}
            yield from self._variable(node.args[0])
        if path == "threading.Thread" and any(
            k.arg == "daemon" and _constants([k.value]) == {"True"} for k in node.keywords
        ):
            yield "outlives", "a daemon thread"

    def _builtin(self, name: str, first: ast.expr) -> Iterator[tuple[str, str]]:
        """A call of a builtin that can do anything."""
        if name in {"exec", "eval", "compile"}:
            called = {_last(n.func) for n in ast.walk(first) if isinstance(n, ast.Call)}
            hidden = bool(called & _DECODERS) and not called & _READS
            if hidden or name != "eval":
                yield "hidden_code" if hidden else "run_time_code", f"{name}()"
        elif name in {"setattr", "delattr"}:
            target = self.path(first)
            if target and not target.startswith("sys.std"):
                yield "patched", f"{name}({target}, ...)"

    def _opened(self, node: ast.Call, path: str) -> Iterator[tuple[str, str]]:
        texts = [
            n.value for a in node.args for n in ast.walk(a) if isinstance(n, ast.Constant) and isinstance(n.value, str)
        ]
        if texts and texts[0].startswith(SYSTEM):
            yield "system_files", f"{path}({texts[0]!r})"
        elif path == "open" and len(texts) > 1 and set(texts[-1]) & set("wax+") and not texts[0].startswith("/dev/std"):
            yield "writes_files", f"open({texts[0]!r}, {texts[-1]!r})"

    def _descriptor(self, node: ast.expr, path: str) -> Iterator[tuple[str, str]]:
        if isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value not in _DESCRIPTORS[path]:
            yield "channels", f"{path}({node.value}, ...)"
        elif isinstance(node, ast.Name) and node.id in self._looped:
            yield "channels", f"{path} of one descriptor after the other"

    def _variable(self, node: ast.expr) -> Iterator[tuple[str, str]]:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            secret = any(word in node.value.upper() for word in SECRET)
            yield "environment" if secret else "environment_flag", node.value
        else:
            yield "environment", "a variable by a name that is computed"

    def constant(self, node: ast.Constant) -> Iterator[tuple[str, str]]:
        if isinstance(node.value, str) and node.value.startswith(("/proc/", "/etc/passwd", "/etc/shadow")):
            yield "system_files", node.value[:40]

    def assigned(self, node: ast.Assign | ast.AugAssign | ast.Delete) -> Iterator[tuple[str, str]]:
        """Entries of other modules' tables: `sys.modules["json"] = ...`, `vars(builtins)["len"] = ...`."""
        targets = [node.target] if isinstance(node, ast.AugAssign) else node.targets
        for target in targets:
            if isinstance(target, ast.Subscript):
                inner = target.value
                if (
                    isinstance(inner, ast.Call)
                    and inner.args
                    and self.path(inner.func) == ""
                    and self.path(inner.args[0])
                ):
                    yield "patched", f"{ast.unparse(inner)[:40]}[...]"
                elif self.path(inner).endswith(".__dict__"):
                    yield "patched", self.path(inner)

    def raised(self, node: ast.Raise) -> Iterator[tuple[str, str]]:
        exception = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        name = _last(exception)
        mine = name in {"SystemExit", "KeyboardInterrupt"} and self._is_function and id(node) not in self._guarded
        if mine or name == "SkipTest":
            yield "early_exit", f"raise {name}"

    def class_(self, node: ast.ClassDef) -> Iterator[tuple[str, str]]:
        builtin = sorted({b.id for b in node.bases if isinstance(b, ast.Name)} & _BUILTIN_TYPES)
        for method in node.body:
            for name, value in _methods(method):
                if value is not None and name in _ALWAYS and value <= {_ALWAYS[name], "self"}:
                    kind = "always_equal" if name in {"__eq__", "__ne__"} else "always_ordered"
                    yield kind, f"{node.name}.{name} is always {min(value)}"
                elif name in {"__class__", "__reduce__", "__reduce_ex__", "__instancecheck__", "__subclasscheck__"}:
                    yield "lying_type", f"{node.name}.{name}"
                elif builtin and name in {*_SHOWN, "__eq__", "__ne__"}:
                    yield "builtin_subclass", f"{node.name}({builtin[0]}).{name}"


def _last(node: ast.AST | None) -> str:
    """The last part of a name: `o.path.join` -> "join"."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _methods(node: ast.stmt) -> Iterator[tuple[str, set[str] | None]]:
    """Names of what a statement of a class body defines, each with the constants it always returns: {"True"}; None
    where it may return something else.
    """
    if isinstance(node, ast.FunctionDef):
        returned = [n.value for n in ast.walk(node) if isinstance(n, ast.Return)]
        yield node.name, _constants(returned)
    elif isinstance(node, ast.Assign):
        value = _constants([node.value.body]) if isinstance(node.value, ast.Lambda) else None
        for target in node.targets:
            if isinstance(target, ast.Name):
                yield target.id, value


def _constants(values: list[ast.expr | None]) -> set[str] | None:
    found = set()
    for value in values:
        match value:
            case ast.Constant(value=bool(constant)):
                found.add(str(constant))
            case ast.Name(id="self"):
                found.add("self")
            case _:
                return None
    return found or None


_LOOKS: dict[type, Callable[[_Look, Any], Iterator[tuple[str, str]]]] = {
    ast.Name: _Look.name,
    ast.Attribute: _Look.attribute,
    ast.Call: _Look.call,
    ast.Subscript: _Look.subscript,
    ast.Compare: _Look.compare,
    ast.ImportFrom: _Look.imported,
    ast.Constant: _Look.constant,
    ast.Assign: _Look.assigned,
    ast.AugAssign: _Look.assigned,
    ast.Delete: _Look.assigned,
    ast.Raise: _Look.raised,
    ast.ClassDef: _Look.class_,
}
