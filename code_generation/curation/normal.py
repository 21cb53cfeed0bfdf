"""The normal form of a solution: what is left of Python code without its names, its comments and its layout.

Read from the syntax tree in one pass. Left out are comments, docstrings and other lone literals, layout, brackets that
change nothing, kinds of quotes, annotations, `pass`, and import statements: what is used of an import stands where it
is used, under its full name, whatever it was imported as. Every name that the code binds (variables, parameters,
functions, classes, the function that is asked for too, each in its own scope) becomes `@0`, `@1`, ... in the order in
which they are met; attributes and methods of its own become `.0`, `.1`, .... Literals, operators, builtins, and names
and attributes of others stay.

What does not parse, and what is longer than `LONGEST`, is read as words and signs instead: comments and layout are left
out, names stay.
"""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from code_generation.extract import syntax_tree

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST = 100_000
"""Characters of code whose syntax tree is looked at."""
_WORD = re.compile(r"#[^\n]*|\w+|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|[^\w\s]")


@lru_cache(maxsize=1)
def tree_of(code: str) -> ast.Module | None:
    """The syntax tree of code, kept for who looks at the same code next; None where there is none to look at."""
    return syntax_tree(code.removeprefix("\ufeff")) if len(code) <= LONGEST else None


@lru_cache(maxsize=1)
def nodes_of(tree: ast.Module) -> list[ast.AST]:
    """The nodes of a tree in the order of `ast.walk`, in a third of its time; kept for who looks at them next."""
    nodes: list[ast.AST] = [tree]
    for node in nodes:
        for value in vars(node).values():
            if isinstance(value, ast.AST):
                nodes.append(value)
            elif type(value) is list:
                nodes.extend([v for v in value if isinstance(v, ast.AST)])
    return nodes


@lru_cache(maxsize=1)
def normal_tokens(code: str) -> tuple[str, ...]:
    """The normal form as tokens, the nodes of the tree from the root down.

    "def add(a, b): return a + b" -> ("FunctionDef", "@0", ..., "Return", "BinOp", "@1", "Add", "@2")
    """
    tree = tree_of(code)
    if tree is None:
        return tuple(w for w in _WORD.findall(code) if w[0] != "#")
    return tuple(_Reader().read(tree))


def unnumbered(token: str) -> str:
    """A token as near duplicates are compared: which of the code's own names it is does not matter."""
    return token[0] if token[0] in "@." else token


class _Scope:
    """Names bound in a module, class, function or comprehension."""

    __slots__ = ("above", "bound", "kind", "outside")

    def __init__(self, kind: str, above: _Scope | None) -> None:
        self.kind, self.above = kind, above
        self.bound: dict[str, str] = {}
        """Name -> what it is an import of; "" for a name of the code's own."""
        self.outside: dict[str, _Scope] = {}
        """Names declared global or nonlocal -> where they belong."""

    def bind(self, name: str, value: str = "") -> None:
        """Note that a name is bound here, or where it was declared to belong."""
        (self.outside.get(name) or self).bound.setdefault(name, value)


_Pending = tuple[int, Any, str]
"""Place in the tokens, what kind of name stands there (a scope, or one of the next two), and the name."""
_ATTRIBUTE, _KEYWORD = "attribute", "keyword"
_SKIPPED = {"ctx", "type_comment", "kind", "type_ignores", "annotation", "returns", "simple"}
_FIELDS: dict[type, tuple[str, ...]] = {
    kind: tuple(f for f in reversed(kind._fields) if f not in _SKIPPED)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}


class _Reader:
    """Turns one tree into tokens; keeps what is still to be read in a list, as trees may be deep."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._pending: list[_Pending] = []
        self._own_attributes: set[str] = set()
        self._parameters: dict[str, _Scope] = {}
        self._module = self._scope = _Scope("module", None)
        self._todo: list[Any] = []

    def read(self, tree: ast.Module) -> list[str]:
        """The tokens of a tree."""
        out, todo, special, fields = self._out, self._todo, _SPECIAL, _FIELDS
        todo.append(tree.body)
        while todo:
            item = todo.pop()
            kind = type(item)
            if own := special.get(kind):
                own(self, item)
            elif kind in fields:
                out.append(kind.__name__)
                for field in fields[kind]:
                    todo.append(getattr(item, field, None))
            else:
                out.append("-" if item is None else repr(item))
        return self._named()

    def _named(self) -> list[str]:
        """The tokens with names in their places: now it is known which are bound, and where."""
        out, numbers = self._out, dict[Any, str]()
        known: dict[tuple[Any, str], str] = {}
        widened = False
        for place, kind, name in self._pending:
            token = known.get((kind, name))
            if token is None:
                token = known[kind, name] = self._token(kind, name, numbers)
            out[place] = token
            widened = widened or "\0" in token
        return [part for token in out for part in token.split("\0")] if widened else out

    def _token(self, kind: Any, name: str, numbers: dict[Any, str]) -> str:
        if kind is _KEYWORD and name in self._parameters:
            kind = self._parameters[name]
        if isinstance(kind, _Scope):
            scope: _Scope | None = kind
            while scope is not None and (name not in scope.bound or (scope.kind == "class" and scope is not kind)):
                scope = scope.above
            if scope is None:
                return name
            if scope.kind != "class":
                path = scope.bound[name]
                return _imported(path) if path else numbers.setdefault((scope, name), f"@{len(numbers)}")
        elif kind is _KEYWORD or name not in self._own_attributes:
            return name
        return name if name.startswith("__") else numbers.setdefault(name, f".{len(numbers)}")

    # each of these reads one kind of node: it writes tokens and leaves the rest to be read, the first part last

    def name(self, item: ast.Name) -> None:
        self._place(self._scope, item.id)
        if type(item.ctx) is not ast.Load:
            self._scope.bind(item.id)

    def constant(self, item: ast.Constant) -> None:
        self._out.append(repr(item.value))

    def attribute(self, item: ast.Attribute) -> None:
        self._out.append("Attribute")
        self._place(_ATTRIBUTE, item.attr)
        if type(item.ctx) is not ast.Load:
            self._own_attributes.add(item.attr)
        self._todo.append(item.value)

    def items(self, item: list[Any]) -> None:
        kept = [i for i in item if self._counts(i)] if item and isinstance(item[0], ast.stmt) else item
        self._out.append(f"#{len(kept)}")
        self._todo += reversed(kept)

    def _counts(self, item: ast.stmt) -> bool:
        """Whether a statement stands in the normal form; what declares and imports takes effect here."""
        scope = self._scope
        match item:
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                return False
            case ast.Global(names=names):
                scope.outside |= dict.fromkeys(names, self._module)
                for name in names:
                    scope.bind(name)
            case ast.Nonlocal(names=names):
                scope.outside |= {n: s for n in names if (s := _binding(scope.above, n))}
            case ast.Import(names=names):
                for a in names:
                    scope.bind(a.asname or a.name.partition(".")[0], a.name if a.asname else a.name.partition(".")[0])
            case ast.ImportFrom(names=names, module=module) if names[0].name != "*":
                for a in names:
                    scope.bind(a.asname or a.name, f"{module or ''}.{a.name}")
            case ast.AnnAssign(value=None, target=ast.Name(id=name)):
                scope.bind(name)
                return scope.kind == "class"
            case _:
                return True
        return False

    def assigned(self, item: ast.AnnAssign) -> None:
        self._out.append("Assign")
        self._todo += (item.value, [item.target])

    def named(self, item: ast.NamedExpr) -> None:
        scope = self._scope
        while scope.kind == "comprehension" and scope.above:
            scope = scope.above
        scope.bind(item.target.id)
        self._out.append("NamedExpr")
        self._place(scope, item.target.id)
        self._todo.append(item.value)

    def function(self, item: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._out.append(type(item).__name__)
        self._place(self._scope, item.name)
        self._define(item.name)
        self._within("function", [item.args, item.body])
        self._todo += (item.args.kw_defaults, item.args.defaults, item.decorator_list)

    def function_without_name(self, item: ast.Lambda) -> None:
        self._out.append("Lambda")
        self._within("function", [item.args, item.body])
        self._todo += (item.args.kw_defaults, item.args.defaults)

    def class_(self, item: ast.ClassDef) -> None:
        self._out.append("ClassDef")
        self._place(self._scope, item.name)
        self._define(item.name)
        self._within("class", [item.body])
        self._todo += (item.keywords, item.bases, item.decorator_list)

    def comprehension(self, item: Any) -> None:
        self._out.append(type(item).__name__)
        results = [item.key, item.value] if type(item) is ast.DictComp else [item.elt]
        self._within("comprehension", [item.generators, *results])

    def _within(self, kind: str, parts: list[Any]) -> None:
        """Read parts in a scope of their own."""
        self._todo += (self._scope, *reversed(parts), _Scope(kind, self._scope))

    def enter(self, item: _Scope) -> None:
        self._scope = item

    def _define(self, name: str) -> None:
        self._scope.bind(name)
        if self._scope.kind == "class":
            self._own_attributes.add(name)

    def arguments(self, item: ast.arguments) -> None:
        self._todo += (item.kwarg, item.kwonlyargs, item.vararg, item.args, item.posonlyargs)

    def parameter(self, item: ast.arg) -> None:
        self._scope.bind(item.arg)
        self._parameters.setdefault(item.arg, self._scope)
        self._place(self._scope, item.arg)

    def keyword(self, item: ast.keyword) -> None:
        self._out.append("keyword")
        self._place(_KEYWORD, item.arg or "**")
        self._todo.append(item.value)

    def handler(self, item: ast.ExceptHandler) -> None:
        self._out.append("ExceptHandler")
        self._optional(item.name)
        self._todo += (item.body, item.type)

    def capture(self, item: ast.MatchAs | ast.MatchStar) -> None:
        self._out.append(type(item).__name__)
        self._optional(item.name)
        self._todo.append(getattr(item, "pattern", None))

    def mapping(self, item: ast.MatchMapping) -> None:
        self._out.append("MatchMapping")
        self._optional(item.rest)
        self._todo += (item.patterns, item.keys)

    def _optional(self, name: str | None) -> None:
        """A name that is bound here, or none."""
        if name is None:
            self._out.append("-")
            return
        self._scope.bind(name)
        self._place(self._scope, name)

    def _place(self, kind: Any, name: str) -> None:
        self._pending.append((len(self._out), kind, name))
        self._out.append("")


_SPECIAL: dict[type, Callable[[_Reader, Any], None]] = {
    ast.Name: _Reader.name,
    ast.Constant: _Reader.constant,
    ast.Attribute: _Reader.attribute,
    list: _Reader.items,
    _Scope: _Reader.enter,
    ast.AnnAssign: _Reader.assigned,
    ast.NamedExpr: _Reader.named,
    ast.FunctionDef: _Reader.function,
    ast.AsyncFunctionDef: _Reader.function,
    ast.Lambda: _Reader.function_without_name,
    ast.ClassDef: _Reader.class_,
    ast.ListComp: _Reader.comprehension,
    ast.SetComp: _Reader.comprehension,
    ast.DictComp: _Reader.comprehension,
    ast.GeneratorExp: _Reader.comprehension,
    ast.arguments: _Reader.arguments,
    ast.arg: _Reader.parameter,
    ast.keyword: _Reader.keyword,
    ast.ExceptHandler: _Reader.handler,
    ast.MatchAs: _Reader.capture,
    ast.MatchStar: _Reader.capture,
    ast.MatchMapping: _Reader.mapping,
}


def _binding(scope: _Scope | None, name: str) -> _Scope | None:
    """The function around that binds a name."""
    while scope is not None and name not in scope.bound:
        scope = scope.above
    return scope


def _imported(path: str) -> str:
    """The tokens of an imported name, as if it stood there with its modules: "os.path" -> Attribute path os."""
    module, _, name = path.rpartition(".")
    return f"Attribute\0{name}\0{_imported(module)}" if module else name
