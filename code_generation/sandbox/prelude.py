"""Names that official graders import for every candidate; standard library only."""

from __future__ import annotations

import builtins
from typing import Any

FLAGS = frozenset("AILMSUX")
"""Short names of flags that `re` exports: who uses such a name without defining it means something else."""
PRELUDE_MODULES = (
    "typing", "collections", "itertools", "functools", "heapq", "bisect", "math", "string", "re", "random", "operator",
    "copy", "datetime", "statistics", "fractions", "decimal", "io", "json", "sys", "os", "time",
)  # fmt: skip


def free_names(source: str) -> set[str]:
    """Names that code looks up and no module-level code of it binds, builtins included: {"List", "gcd"} of
    `def f(a: List): return gcd(*a)`.
    """
    import _symtable as c  # what the module symtable wraps; its objects would cost more than the look

    top = c.symtable(source, "names", "exec")
    read: set[str] = set()
    bound: set[str] = set()
    tables = [top]
    while tables:
        table = tables.pop()
        tables.extend(table.children)
        for name, flags in table.symbols.items():
            if table is top or (flags >> c.SCOPE_OFF) & c.SCOPE_MASK in (c.GLOBAL_EXPLICIT, c.GLOBAL_IMPLICIT):
                if flags & c.USE:
                    read.add(name)
                if flags & (c.DEF_LOCAL | c.DEF_IMPORT):
                    bound.add(name)
    return read - bound


def add_prelude(names: set[str], namespace: dict[str, Any]) -> set[str]:
    """Give code the names that official graders import for it (`List`, `defaultdict`, `math`, `gcd`), never a builtin.

    Only names that the code uses are looked up, so nothing is imported for code that imports what it needs.
    Returns the names that were found.
    """
    wanted = {n for n in names if not hasattr(builtins, n) and n not in namespace and not n.startswith("_")}
    wanted -= FLAGS
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
