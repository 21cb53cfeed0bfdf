"""Assert tests of every form: the data set's code and the candidate never share a process, and hardly notice."""

from __future__ import annotations

import asyncio

import pytest

from code_generation.executors import open_executor
from code_generation.grader import TestExecutionGrader
from code_generation.models import CodeProblem, TestCase

# fmt: off
HONEST = {
    "bare inplace": ("l=[3,1,2]\nf(l)\nassert l==[1,2,3]", "def f(l): l.sort()"),
    "assigned inplace": ("l=[3,1,2]\nr=f(l)\nassert l==[1,2,3] and r is None", "def f(l): l.sort()"),
    "method inplace": ("s=S()\nl=[3,1,2]\ns.f(l)\nassert l==[1,2,3]", "class S:\n    def f(self,l): l.sort()"),
    "kwargs inplace": ("l=[3,1,2]\nf(l=l)\nassert l==[1,2,3]", "def f(l): l.sort()"),
    "nested inplace": ("i=[3,1,2]\nl=[i]\nf(l)\nassert i==[1,2,3]", "def f(l): l[0].sort()"),
    "leetcode": ("nums=[1,1,2]\nk=f(nums)\nassert k==2\nassert nums[:k]==[1,2]", "def f(a):\n    u=sorted(set(a))\n    a[:len(u)]=u\n    return len(u)"),
    "inplace return": ("assert f([3,1])==[1,3]", "def f(l):\n    l.sort()\n    return l"),
    "date": ("import datetime\nassert f(datetime.date(2020,1,31))==datetime.date(2020,2,1)", "import datetime\ndef f(d): return d+datetime.timedelta(days=1)"),
    "range": ("assert f(range(5))==10", "def f(r): return sum(r)"),
    "returns range": ("assert f(5)==range(5)", "def f(r): return range(r)"),
    "deque": ("from collections import deque\nassert f(deque([1,2]))==3", "def f(r): return sum(r)"),
    "returns deque": ("from collections import deque\nassert f(2)==deque([0,1])", "from collections import deque\ndef f(r): return deque(range(r))"),
    "counter": ("from collections import Counter\nassert f('aab')==Counter('aab')", "from collections import Counter\ndef f(r): return Counter(r)"),
    "counter method": ("assert f('aab').most_common(1)==[('a',2)]", "from collections import Counter\ndef f(r): return Counter(r)"),
    "namedtuple": ("p=f(1,2)\nassert p.x==1 and p==(1,2)", "from collections import namedtuple\nP=namedtuple('P','x y')\ndef f(a,b): return P(a,b)"),
    "dataclass": ("p=f(1,2)\nassert p.x==1", "from dataclasses import dataclass\n@dataclass\nclass P:\n    x:int\n    y:int\ndef f(a,b): return P(a,b)"),
    "lambda arg": ("assert f(lambda x:x+1,[1,2])==[2,3]", "def f(g,l): return [g(x) for x in l]"),
    "named fn arg": ("def inc(x): return x+1\nassert f(inc,[1,2])==[2,3]", "def f(g,l): return [g(x) for x in l]"),
    "builtin arg": ("assert f(len,['a','bb'])==[1,2]", "def f(g,l): return [g(x) for x in l]"),
    "type arg": ("assert f(int,['1'])==[1]", "def f(g,l): return [g(x) for x in l]"),
    "operator arg": ("import operator\nassert f(operator.add,[1,2,3])==6", "from functools import reduce\ndef f(g,l): return reduce(g,l)"),
    "method arg": ("assert f(str.upper,['a'])==['A']", "def f(g,l): return [g(x) for x in l]"),
    "iterator arg": ("assert f(iter([1,2]))==3", "def f(l): return sum(l)"),
    "generator result": ("assert list(f(3))==[0,1,2]", "def f(n):\n    yield from range(n)"),
    "next": ("g=f(3)\nassert next(g)==0\nassert next(g)==1", "def f(n):\n    yield from range(n)"),
    "closure result": ("assert f(3)(4)==7", "def f(n): return lambda x:x+n"),
    "raises": ("try:\n    f(-1)\n    assert False\nexcept ValueError:\n    pass", "def f(n):\n    if n<0: raise ValueError('neg')"),
    "raises custom": ("try:\n    f(-1)\n    assert False\nexcept MyErr:\n    pass", "class MyErr(Exception): pass\ndef f(n):\n    if n<0: raise MyErr('neg')"),
    "raises msg": ('try:\n    f(-1)\nexcept KeyError as e:\n    assert str(e)=="\'k\'"', "def f(n): return {}['k']"),
    "raises args": ("try:\n    f(-1)\nexcept ValueError as e:\n    assert e.args==('a',2)", "def f(n): raise ValueError('a',2)"),
    "operators": ("assert V(1,2)+V(3,4)==V(4,6)", "class V:\n    def __init__(s,x,y): s.x,s.y=x,y\n    def __add__(s,o): return V(s.x+o.x,s.y+o.y)\n    def __eq__(s,o): return (s.x,s.y)==(o.x,o.y)"),
    "mul": ("assert (V(1,2)*3).x==3", "class V:\n    def __init__(s,x,y): s.x,s.y=x,y\n    def __mul__(s,k): return V(s.x*k,s.y*k)"),
    "with": ("with C() as c:\n    assert c.v==1", "class C:\n    v=0\n    def __enter__(s):\n        s.v=1\n        return s\n    def __exit__(s,*a): pass"),
    "isinstance": ("assert isinstance(f(),C)", "class C: pass\ndef f(): return C()"),
    "hash": ("assert len({V(1),V(1)})==1", "class V:\n    def __init__(s,x): s.x=x\n    def __eq__(s,o): return s.x==o.x\n    def __hash__(s): return hash(s.x)"),
    "del": ("s=S()\ndel s[0]\nassert len(s)==0", "class S:\n    def __init__(s): s.l=[1]\n    def __delitem__(s,i): del s.l[i]\n    def __len__(s): return len(s.l)"),
    "repr": ("assert repr(V(1))=='V(1)'", "class V:\n    def __init__(s,x): s.x=x\n    def __repr__(s): return f'V({s.x})'"),
    "format": ("assert f'{V(1)}'=='V1'", "class V:\n    def __init__(s,x): s.x=x\n    def __str__(s): return f'V{s.x}'"),
    "asyncio": ("import asyncio\nassert asyncio.run(f(2))==4", "async def f(x): return x*2"),
    "await in check": ("import asyncio\nasync def t():\n    assert await f(2)==4\nasyncio.run(t())", "async def f(x): return x*2"),
    "__name__": ("assert f.__name__=='f'", "def f(): pass"),
    "numpy arg": ("import numpy as np\nassert f(np.array([1,2]))==3", "def f(a): return int(a.sum())"),
    "numpy ret": ("import numpy as np\nassert np.array_equal(f(3), np.arange(3))", "import numpy as np\ndef f(n): return np.arange(n)"),
    "numpy allclose": ("import numpy as np\nassert np.allclose(f(3), [0,1,2])", "import numpy as np\ndef f(n): return np.arange(n)"),
    "random seed": ("import random\nrandom.seed(5)\nassert f(3)", "import random\ndef f(n): return [random.random() for _ in range(n)]"),
    "stdout": ("import io,contextlib\nb=io.StringIO()\nwith contextlib.redirect_stdout(b):\n    f()\nassert b.getvalue()=='hi\\n'", "def f(): print('hi')"),
    "loop 500": ("for i in range(500):\n    assert f(i)==i+1", "def f(i): return i+1"),
    "dep 350": ("x=0\nfor i in range(350):\n    x=f(x)\nassert x==350", "def f(i): return i+1"),
    "complex": ("assert f()==1+2j", "def f(): return 1+2j"),
    "Decimal": ("from decimal import Decimal\nassert f(Decimal('1.5'))==Decimal('3.0')", "def f(x): return x*2"),
    "sorted key": ("assert sorted([3,1], key=f)==[3,1]", "def f(x): return -x"),
    "map": ("assert list(map(f,[1,2]))==[2,3]", "def f(x): return x+1"),
    "unittest": ("import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(f(1),2)\nT('test_a').debug()", "def f(x): return x+1"),
    "unittest class": ("import unittest\nclass TestF(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(f(1),2)", "def f(x): return x+1"),
    "pytest raises": ("import pytest\nwith pytest.raises(ValueError):\n    f(1)", "def f(x): raise ValueError"),
    "enum": ("assert Color.RED.value==1", "from enum import Enum\nclass Color(Enum):\n    RED=1"),
    "node list": ("n=Node(1)\nn.next=Node(2)\nassert f(n)==[1,2]", "class Node:\n    def __init__(s,v): s.val,s.next=v,None\ndef f(n):\n    r=[]\n    while n: r.append(n.val); n=n.next\n    return r"),
    "getattr chain": ("assert f(3).a.b==3", "class X: pass\ndef f(n):\n    x=X(); x.a=X(); x.a.b=n\n    return x"),
    "bytes": ("assert f(b'ab')==b'ba'", "def f(b): return b[::-1]"),
    "nan": ("import math\nassert math.isnan(f())", "def f(): return float('nan')"),
    "dict items": ("assert list(f().items())==[('a',1)]", "def f(): return {'a':1}"),
    "dict keys": ("assert list(f())==['a']", "def f(): return {'a':1}.keys()"),
    "dict keys eq": ("assert f()=={'a'}", "def f(): return {'a':1}.keys()"),
    "zip": ("assert list(f())==[(1,2)]", "def f(): return zip([1],[2])"),
    "str method": ("assert f().upper()=='A'", "def f(): return 'a'"),
    "in": ("assert 3 in f()", "def f(): return {3}"),
    "none": ("assert f() is None", "def f(): pass"),
}
JUDGED = {
    "empties what it is compared with": ("d = [3, 1, 2]\nassert f(d) == sorted(d)", "def f(l):\n    l.clear()\n    return []"),
    "empties it before": ("d = [3, 1, 2]\nr = f(d)\nassert r == sorted(d)", "def f(l):\n    l.clear()\n    return []"),
    "empties it for a sum": ("d = [3, 1, 2]\nr = f(d)\nassert r == sum(d)", "def f(l):\n    l.clear()\n    return 0"),
    "empties it and gives it back": ("d = [3, 1, 2]\nassert f(d) == sorted(d)", "def f(l):\n    l.clear()\n    return l"),
    "empties it and gives it back later": ("d = [3, 1, 2]\nr = f(d)\nassert r == sorted(d)", "def f(l):\n    l.clear()\n    return l"),
    "empties what is in it": ("d = [[3, 1]]\nassert f(d)[0] == sorted(d[0])", "def f(l):\n    l[0].clear()\n    return list(l)"),
    "becomes the answer": ("d = [3, 1, 2]\nr = f(d)\nassert d == r", "def f(l):\n    l.clear()\n    return []"),
    "operators of its own": ("assert abs(f(3) - 9) < 1e-6", "class A:\n    __sub__ = lambda s, o: 0\ndef f(x): return A()"),
    "a hash of its own": ("assert f(3) in {9}", "class A:\n    __hash__ = lambda s: 9\n    __eq__ = lambda s, o: True\ndef f(x): return A()"),
    "a lying tuple": ("assert f(3) == (3, 9)", "from collections import namedtuple\nclass P(namedtuple('P', 'x y')):\n    __eq__ = lambda s, o: True\ndef f(x): return P(1, 2)"),
    "fields that compare": ("assert f(3) == (3,)", "class P(tuple):\n    _fields = ('__eq__',)\ndef f(x): return P([1])"),
    "an error that fits all": ("try:\n    f(3)\nexcept ValueError:\n    assert False\nelse:\n    assert f(3) == 9", "def f(x): raise KeyError"),
    "a custom error not raised": ("try:\n    f(3)\n    assert False\nexcept Wrong:\n    pass", "class Wrong(Exception): pass\ndef f(x): raise ValueError"),
    "forged change": ("d = [1]\nf(d)\nassert d == [2]", "import os\ndef f(l):\n    os.write(3, b'{\"value\": null, \"changed\": {\"0\": 5}}\\n')\n    os._exit(0)"),
    "forged object": ("assert f(3) == 9", "import os\ndef f(l):\n    os.write(3, b'{\"value\": {\"o\": [\"ndarray\", \"O\", [1], \"00\"]}}\\n')\n    os._exit(0)"),
    "forged function": ("assert f(3) == 9", "import os\ndef f(l):\n    os.write(3, b'{\"value\": {\"n\": \"os.getpid\"}}\\n')\n    os._exit(0)"),
}
# fmt: on


async def verdicts(table: dict[str, tuple[str, str]]) -> dict[str, str]:
    async with open_executor() as executor:
        grader = TestExecutionGrader(executor)

        async def judge(test: str, code: str) -> str:
            case = TestCase(input=test, output=None, type="assert", is_public=True)
            problem = CodeProblem(problem_id="p", problem="", solutions=[], test_cases=[case], metadata={})
            return (await grader.grade(problem, code)).verdict

        found = await asyncio.gather(*(judge(*row) for row in table.values()))
    return dict(zip(table, found, strict=True))


@pytest.mark.parametrize(("table", "verdict"), [(HONEST, "pass"), (JUDGED, "fail")], ids=["honest", "judged"])
def test_forms(table, verdict):
    """Honest answers pass whatever form a test has; what would judge itself fails."""
    assert {name: v for name, v in asyncio.run(verdicts(table)).items() if v != verdict} == {}


class Counting:
    """An executor that counts the programs that it hands on."""

    cases_per_call = 1

    def __init__(self, executor):
        self.executor, self.runs = executor, 0
        self.name, self.isolation = executor.name, executor.isolation

    async def run(self, program):
        self.runs += 1
        return await self.executor.run(program)


MANY_CALLS = {
    "equal": ("for i in range(60): assert f(i) == i", "def f(i): return i", "passed", 3),
    "unequal": ("for i in range(60):\n    if f(i) != i: raise ValueError", "def f(i): return i", "passed", 3),
    "numpy": (
        "import numpy as np\nfor i in range(60): assert np.allclose(f(i), float(i))", "def f(i): return i / 1", "passed", 3,
    ),
    "ufunc": (
        "import numpy as np\nfor i in range(60):\n    assert (np.abs(f(i) - float(i)) < 1e-6)", "def f(i): return i / 1",
        "passed", 3,
    ),
    "an endless last one": (
        "for i in range(30): assert f(i) == i",
        "def f(i):\n    while i == 29: pass\n    return i", "timeout", 8,
    ),
    "a wrong one in the middle": (
        "for i in range(30): assert f(i) == i",
        "def f(i):\n    while i == 29: pass\n    return i if i != 7 else 0", "wrong_answer", 5,
    ),
    "one that ends the program": (
        "for i in range(30):\n    if i < 20: assert f(i) == i",
        "import os\ndef f(i): return i if i < 20 else os._exit(0)", "passed", 5,
    ),
    "one that ends it after all": (
        "for i in range(30): assert f(i) == i", "import os\ndef f(i): return i if i < 20 else os._exit(0)",
        "runtime_error", 8,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MANY_CALLS)
def test_many_calls_take_few_rounds(name):
    """What a test will ask is guessed; an answer that was given is kept, whatever became of those after it."""
    source, code, status, most = MANY_CALLS[name]
    test = TestCase(input=source, output=None, type="assert", is_public=True)
    problem = CodeProblem(problem_id="p", problem="", solutions=[code], test_cases=[test], metadata={"func_name": "f"})

    async def go():
        async with open_executor() as executor:
            counting = Counting(executor)
            found = await TestExecutionGrader(counting, timeout_s=1).grade(problem, code)
            return found.outcomes[0].status, counting.runs

    found, runs = asyncio.run(go())
    assert found == status
    assert runs <= most


@pytest.mark.parametrize(
    ("setup", "code", "test"),
    [
        ("def h(x): return x + 1", "def f(x): return h(x)\nseen = f(1)", "assert f(1) == 2"),
        ("import math", "root = math.sqrt(4)\ndef f(x): return x * root", "assert f(1) == 2"),
        ("node = Node(2)", "class Node:\n    def __init__(self, v): self.v = v\ndef f(n): return n.v", "assert f(node) == 2"),
        ("if 'h' not in globals():\n    def h(x): return x + 1", "def h(x): return x\ndef f(x): return h(x)", "assert f(2) == 2"),
        ("def h(x): return x + 1", "def f(x): return g(x)\ndef g(x): return h(x)", "assert f(1) == 2"),
    ],
)  # fmt: skip
def test_setup_code_comes_before_the_candidate_where_it_can(setup, code, test):
    """As a prompt comes before its completion; what needs the candidate's own names comes after it."""
    cases = [TestCase(input=test, output=None, type="assert", is_public=True)]
    metadata = {"func_name": "f", "setup_code": setup}
    problem = CodeProblem(problem_id="p", problem="", solutions=[code], test_cases=cases, metadata=metadata)

    async def go():
        async with open_executor() as executor:
            return (await TestExecutionGrader(executor).grade(problem, code)).outcomes[0]

    found = asyncio.run(go())
    assert (found.status, found.error) == ("passed", "")


# fmt: off
ALIASES = {
    "itself": ("a=[1]\nassert g(a) is a", "def g(a): return a", "passed"),
    "not itself": ("a=[1]\nassert g(a) is not a", "def g(a): return a", "wrong_answer"),
    "a copy is not itself": ("a=[1]\nassert g(a) is not a and g(a)==a", "def g(a): return list(a)", "passed"),
    "the test changes its own": ("a=[1]\nb=g(a)\na.append(3)\nassert b==[1]", "def g(a): return a", "wrong_answer"),
    "a copy stays": ("a=[1]\nb=g(a)\na.append(3)\nassert b==[1]", "def g(a): return a[:]", "passed"),
    "the test changes the result": ("a=[1]\nb=g(a)\nb.append(3)\nassert a==[1]", "def g(a): return a", "wrong_answer"),
    "a shallow copy": ("a=[[1],[2]]\nb=g(a)\na[0].append(3)\nassert b==[[1],[2]]", "def g(a): return list(a)", "wrong_answer"),
    "a deep copy": ("a=[[1],[2]]\nb=g(a)\na[0].append(3)\nassert b==[[1],[2]]", "import copy\ndef g(a): return copy.deepcopy(a)", "passed"),
    "in a dict": ("a={'x':[1],'y':[2]}\nb=g(a)\na['y'].append(3)\nassert b=={'x':[1],'y':[2]}", "def g(a): return dict(a)", "wrong_answer"),
    "in a tuple": ("a=[1]\nb=g(a)\na.append(2)\nassert b[1][0]==[1]", "def g(a): return (5, [a])", "wrong_answer"),
    "sorted in place": ("a=[3,1]\nassert g(a)==[1,3] and a==[3,1]", "def g(a):\n    a.sort()\n    return a", "passed"),
    "one of two": ("a,c=[1],[1]\nassert g(a,c) is c and g(a,c) is not a", "def g(a,c): return c", "passed"),
    "awaited": ("import asyncio\na=[1]\nassert asyncio.run(g(a)) is a", "async def g(a): return a", "passed"),
    "a part, awaited": ("import asyncio\na=[1]\nb=asyncio.run(g(a))\na.append(2)\nassert b==[[1]]", "async def g(a): return [a]", "wrong_answer"),
    "by keyword": ("a=[1]\nassert g(a=a) is a", "def g(a): return a", "passed"),
    "twice the same row": ("a=[1]\nb=g(a)\nassert b[0] is b[1] is a", "def g(a): return [a, a]", "passed"),
}
# fmt: on


@pytest.mark.parametrize("name", ALIASES)
def test_what_a_result_shares_with_its_arguments(name):
    """An object that a candidate gives back is the test's own object, as in one process; a copy is none."""
    source, code, status = ALIASES[name]
    test = TestCase(input=source, output=None, type="assert", is_public=True)
    problem = CodeProblem(problem_id="p", problem="", solutions=[], test_cases=[test], metadata={"func_name": "g"})

    async def go():
        async with open_executor() as executor:
            return (await TestExecutionGrader(executor).grade(problem, code)).outcomes[0]

    found = asyncio.run(go())
    assert found.status == status, found.error
