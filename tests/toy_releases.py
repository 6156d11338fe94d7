"""A library in four releases with every kind of change, and a server that speaks PyPI's JSON interface about it."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

OLD = '''
from toymath.shapes import Square, area
from toymath.old import legacy_sum

LIMIT = 10
ALIAS = area

def total(values, scale=1):
    """Add."""
    return sum(values) * scale

def mean(values): return sum(values) / len(values)
def scaled(values, factor, offset=0): return [v * factor + offset for v in values]
def rounded(values, digits=2): return [round(v, digits) for v in values]
def gone(values): return values
def moved_away(values): return values
def spread(values): return max(values) - min(values)
def strict(values, copy=True): return values
def checked(values, verbose=False, order="C"): return values
'''
SHAPES_OLD = """
class Square:
    def __init__(self, side): self.side = side
    def surface(self): return self.side ** 2
    def scale(self, by): return Square(self.side * by)
    @property
    def edge(self): return self.side

def area(side): return side * side
"""
MIDDLE = (
    OLD.replace(
        "def mean(values): return",
        """import warnings
def mean(values):
    warnings.warn("toymath.mean is deprecated since 1.1, use toymath.average instead.", DeprecationWarning, stacklevel=2)
    return""",
    ).replace(
        "def checked(values, verbose=False",
        """def average(values): return sum(values) / len(values)
def checked(values, verbose=False""",
    )
    + """
class ToyDeprecationWarning(FutureWarning): pass

def __getattr__(name): raise AttributeError(name)
"""
)
NEW = '''
import warnings
from toymath.shapes import Square, surface_of
from toymath.places import moved_away

LIMIT = 10
_expired_attributes = {"gone": "Use `sorted` instead."}

class ToyDeprecationWarning(FutureWarning): pass

def total(values, factor=1):
    """Add."""
    return sum(values) * factor

def average(values): return sum(values) / len(values)
def scaled(values, *, factor, offset=0): return [v * factor + offset for v in values]
def rounded(values, digits=3): return [round(v, digits) for v in values]
def spread(values):
    warnings.warn("`toymath.spread` is deprecated. Use `toymath.average` instead.", ToyDeprecationWarning, stacklevel=2)
    return max(values) - min(values)
def strict(values, copy=None):
    if copy is not None:
        warnings.warn("The `copy` argument of strict is deprecated and ignored.", ToyDeprecationWarning, stacklevel=2)
    return values
def checked(values, order="C", *, strict): return tuple(values)

def __getattr__(name):
    if name in _expired_attributes:
        raise AttributeError(f"`toymath.{name}` was removed in 2.0. {_expired_attributes[name]}")
    raise AttributeError(f"module 'toymath' has no attribute '{name}'")
'''
SHAPES_NEW = """
class Square:
    def __init__(self, side): self.side = side
    def surface(self): return self.side ** 2
    def scaled_by(self, by): return Square(self.side * by)

def surface_of(side): return side * side
"""
BROKEN = "import a_module_that_is_not_there\n"
ODD = """
def sound(): return 1

class Proxy:
    def __getattr__(self, name): raise RuntimeError("set an API key first")

lazy = Proxy()

class Expression:
    def __getattr__(self, name): return Expression()
    def __call__(self, *names): return self

column = Expression()
"""
ODD_MODULES = {
    "needs_key.py": "raise RuntimeError('set an API key first')\n",
    "leaves.py": "raise SystemExit\n",
    "sound_too.py": "def further(): return 2\n",
}
"""A module that cannot be imported, another that ends the process, and objects that raise or invent every attribute."""
NOTES = """
Changes
=======

2.0
---

Removals
~~~~~~~~

- Removed ``toymath.shapes.area``. Use :func:`toymath.shapes.surface_of` instead.
- ``Square.scale`` was renamed to ``Square.scaled_by``.
- The ``verbose`` parameter of ``checked`` has been removed.

Changes
~~~~~~~

- ``toymath.checked`` now returns a tuple instead of a list.

0.9
---

- Removed ``toymath.total``.
"""
RELEASES: dict[str, tuple[str, dict[str, str]]] = {
    "1.0": (
        OLD,
        {"shapes.py": SHAPES_OLD, "old.py": "def legacy_sum(values): return sum(values)\n", "extra.py": BROKEN},
    ),
    "1.1.0": (OLD, {"shapes.py": SHAPES_OLD, "old.py": "def legacy_sum(values): return sum(values)\n"}),
    "1.1.1": (MIDDLE, {"shapes.py": SHAPES_OLD, "old.py": "def legacy_sum(values): return sum(values)\n"}),
    "2.0": (NEW, {"shapes.py": SHAPES_NEW, "places.py": "def moved_away(values): return values\n"}),
}


def sdist(name: str, version: str, notes: str) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        member = tarfile.TarInfo(f"{name}-{version}/CHANGES.rst")
        member.size = len(notes.encode())
        archive.addfile(member, io.BytesIO(notes.encode()))
    return data.getvalue()


class Index:
    """What the server answers: `files` by name, and how often each was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.listing: dict[str, dict[str, list[dict[str, object]]]] = {}
        self.asked: list[str] = []
        self.url = ""
        self.failures = 0
        """Answers still to fail with HTTP 503."""

    def add(
        self, library: str, version: str, name: str, data: bytes, *, yanked: bool = False, sha256: str = ""
    ) -> None:
        self.files[name] = data
        kind = "bdist_wheel" if name.endswith(".whl") else "sdist"
        entry = {
            "filename": name, "url": f"../files/{name}", "size": len(data), "packagetype": kind, "yanked": yanked,
            "digests": {"sha256": sha256 or hashlib.sha256(data).hexdigest()},
        }  # fmt: skip
        self.listing.setdefault(library, {}).setdefault(version, []).append(entry)


@contextmanager
def serving(index: Index) -> Iterator[Index]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.asked.append(self.path)
            if index.failures:
                index.failures -= 1
                self.send_error(503)
                return
            first, _, last = self.path.strip("/").partition("/")
            if last == "json" and first in index.listing:
                body = json.dumps({"releases": index.listing[first]}).encode()
            elif first == "files" and last in index.files:
                body = index.files[last]
            else:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        index.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield index
        server.shutdown()


def add_wheel(index: Index, path: Path, library: str, version: str, *, yanked: bool = False) -> None:
    index.add(library, version, path.name, path.read_bytes(), yanked=yanked)
