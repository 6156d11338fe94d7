"""Instrumented programs mean what they meant: they print the same, with the same tracebacks, in this process's Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recode.migrate.witnesses.runs.recorded_command import GUEST

PROGRAMS = {
    "scopes": """
        total = 3
        def outer(n):
            count = 0
            def inner():
                nonlocal count
                count += n
                return count
            inner(); inner()
            global total
            total += count
            return sorted(locals())
        print(outer(2), total, sorted(name for name in globals() if "@" in name))
        class Plain:
            a, b = 1, 2
            c: int = a + b
            rows = [a for a in range(3)]
        print(sorted(name for name in vars(Plain) if not name.startswith("__")), Plain.__annotations__)
    """,
    "super": """
        class A:
            def __init__(self, x=1): self.x = x
            def __repr__(self): return f"{type(self).__name__}({self.x!r})"
            __private = 5
            def secret(self): return self.__private
        class B(A):
            def __init__(self): super().__init__(x=[1, 2]); self.y = super().secret()
            def __getitem__(self, key): return key
        b = B()
        print(b, b.y, b[1:2, ..., ::3], b[1,], __class__ if "__class__" in globals() else None)
    """,
    "generators": """
        def gen(n):
            got = yield n
            while got:
                got = yield (got, (yield "inner") or 0)
            try:
                yield from range(2)
            finally:
                print("closed")
            return "value"
        def outer():
            value = yield from gen(3)
            print("returned", value)
        g = outer()
        print(next(g), g.send(5), g.send(7), g.send(None), list(g))
        lazy = (x * y for x in range(3) for y in range(x) if x)
        print(next(lazy), list(lazy), {a: b for a, b in [(1, 2)]}, {x % 2 for x in range(5)})
        h = gen(1); next(h); h.send(0); h.close()
    """,
    "async": """
        import asyncio
        class Ctx:
            async def __aenter__(self): return "in"
            async def __aexit__(self, *error): print("out", error[0] and error[0].__name__)
        async def numbers(n):
            for i in range(n):
                yield i
                await asyncio.sleep(0)
        async def main():
            async with Ctx() as value:
                print(value, [i * 2 async for i in numbers(3)], [await asyncio.sleep(0, x) for x in "ab"])
            async for i in numbers(2):
                print(i)
            else:
                print("else")
            results = await asyncio.gather(*(asyncio.sleep(0, k) for k in range(3)))
            task = asyncio.ensure_future(asyncio.sleep(10))
            await asyncio.sleep(0)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                print("cancelled", results)
        asyncio.run(main())
    """,
    "strings_and_walrus": """
        import sys
        rows = [1, 22, 333]
        width = 6
        print(f"{rows[1]:>{width}}|{rows!r:.4}|{len(rows) + 1=}")
        if (n := len(rows)) > 2 and (m := n * 2):
            print(n, m)
        print([last := value for value in rows], last, any((hit := value) > 20 for value in rows), hit)
        while (n := n - 1) > 0:
            if n == 1: continue
            print("n", n)
        else:
            print("done", n)
        print(*rows, sep=",", **{"end": "!\\n"})
        a = b = c = [0]
        a[0], (d, *e) = 5, (1, 2, 3)
        print(a, b, d, e, 1 < 2 < 3, not a, -a[0], a is b, 2 in a, rows[-1] if a else None)
    """,
    "decorators": """
        import functools, dataclasses, enum, typing
        def times(n=2):
            def wrap(f):
                @functools.wraps(f)
                def inner(*args, **kwargs): return [f(*args, **kwargs)] * n
                return inner
            return wrap
        @times(n=3)
        @times()
        def f(x, *, y=lambda: 4): "doc"; return x + y()
        print(f(1), f.__doc__, f.__name__)
        @dataclasses.dataclass(order=True)
        class P:
            x: int
            y: "list" = dataclasses.field(default_factory=list)
            @property
            def z(self): return self.x
            @z.setter
            def z(self, value): self.x = value
            @staticmethod
            def s(): return "s"
        p = P(1); p.z = 9; p.z += 1
        print(p, P.s(), p < P(11))
        class Colour(enum.Enum):
            RED = 1
            BLUE = RED + 1
            def __str__(self): return self.name.lower()
        print(list(Colour), Colour.BLUE, Colour(1))
        class N(typing.NamedTuple):
            a: int
            b: int = 2
        print(N(1), N.__module__)
    """,
    "errors": """
        import traceback, warnings, sys
        def fail(x):
            return (x
                    .missing)
        try:
            try:
                fail(3)
            except AttributeError as error:
                raise KeyError("k") from error
        except KeyError as error:
            traceback.print_exc(file=sys.stdout)
            print(sys.exc_info()[0], error.__cause__.__traceback__.tb_lineno)
        for i in range(3):
            try:
                if i == 1: break
            finally:
                print("finally", i)
        def early():
            with open(__file__) as stream:
                return stream.closed, stream.readline()
        print(early())
        warnings.warn("look here", stacklevel=1)
        def old(): warnings.warn("deprecated", DeprecationWarning, stacklevel=2)
        old()
        assert [1, 2] == [1, 2], "never"
        del early, i
        try: print(i)
        except NameError as error: print(error)
        class Boom:
            def __del__(self): print("gone")
        boom = Boom(); boom = None
        print("after")
        Boom()
        print("end")
        import nowhere_to_be_found
    """,
    "match": """
        class Point:
            __match_args__ = ("x", "y")
            def __init__(self, x, y): self.x, self.y = x, y
        def what(value):
            match value:
                case [1, *rest] if len(rest) > 1: return "long", rest
                case {"k": Point(x, y=0)}: return "point", x
                case str() | bytes(): return "text"
                case _: return None
        print(what([1, 2, 3]), what({"k": Point(4, 0)}), what("s"), what(4))
    """,
}


def run(folder: Path, instrumented: bool) -> tuple[int, str, str, str]:
    logs = folder.parent / "logs"
    logs.mkdir(exist_ok=True)
    settings = folder.parent / "settings.json"
    settings.write_text(json.dumps({"root": str(folder), "out": str(logs)}), encoding="utf-8")
    beside = folder.parent / "beside"
    beside.mkdir(exist_ok=True)
    (beside / "sitecustomize.py").write_text("import _recode_start\n_recode_start.start()\n", encoding="utf-8")
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", PYTHONHASHSEED="0")
    env.pop("PYTHONPATH", None)
    if instrumented:
        env |= {"PYTHONPATH": f"{beside}{os.pathsep}{GUEST}", "RECODE_RUNS_SETTINGS": str(settings)}
    done = subprocess.run([sys.executable, "main.py"], cwd=folder, env=env, capture_output=True, text=True, check=False)
    log = "".join(file.read_text(encoding="utf-8") for file in logs.glob("*.jsonl"))
    return done.returncode, done.stdout, done.stderr, log


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_instrumented_program_prints_the_same(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    lines = PROGRAMS[name].splitlines()
    text = "\n".join(line[8:] for line in lines) + "\n"
    (folder / "main.py").write_text(text, encoding="utf-8")
    plain, instrumented = run(folder, False), run(folder, True)
    assert instrumented[:3] == plain[:3]
    assert '"o", "main.py|' in instrumented[3]
    assert plain[1]


def test_what_older_releases_of_pytest_insert_ends_where_it_begins() -> None:
    code = """
import ast, _recode_start
from _recode_instrument import Instrumenter
tree = ast.parse("x = 1\\ny = 2\\n")
tree.body.insert(1, ast.Import([ast.alias("os")], lineno=2, col_offset=0))
_recode_start._give_ends(tree)
compile(Instrumenter([]).module(tree), "a.py", "exec")
"""
    variables = os.environ | {"PYTHONPATH": str(GUEST)}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
