"""A corpus of before/after programs: a table of programs, each in several encodings and with several line ends."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

from recode.records import ApiUpdate, Kind


def update(kind: Kind, old: str, new: str, note: str = "", removed: str = "2.0") -> ApiUpdate:
    return ApiUpdate(
        family_id=f"numpy-{old}", library="numpy", old_version="1.26.4", new_version="2.4.6", removed_in=removed, kind=kind,
        old_symbol=old, new_symbol=new, description="A change.", update_info=note or f"Use `{new}` instead of `{old}`.",
    )  # fmt: skip


UPDATES = [
    update("renamed", "numpy.in1d", "numpy.isin"),
    update("renamed", "numpy.trapz", "numpy.trapezoid"),
    update("renamed", "numpy.ndarray.tostring", "numpy.ndarray.tobytes"),
    update("moved", "numpy.format_parser", "numpy.rec.format_parser"),
    update("moved", "numpy.core.records", "numpy.rec"),
    update("moved", "numpy.broadcast_to_shape", "numlib.shapes.broadcast_to_shape"),
    update("parameter_renamed", "numpy.reshape(newshape)", "numpy.reshape(shape)"),
    update("replaced", "numpy.NINF", "numpy.inf", "Write `-numpy.inf` instead of `numpy.NINF`."),
    update("removed", "numpy.safe_eval", ""),
]

CHANGED = {
    "constant": ("import numpy as np\nx = np.NINF\n", "import numpy as np\nx = -np.inf\n"),
    "attribute": ("import numpy as np\nx = np.in1d(a, b)\n", "import numpy as np\nx = np.isin(a, b)\n"),
    "module": ("import numpy\nx = numpy.in1d(a, b)\n", "import numpy\nx = numpy.isin(a, b)\n"),
    "odd alias": ("import numpy as 数\nx = 数.in1d(a, b)\n", "import numpy as 数\nx = 数.isin(a, b)\n"),
    "from": ("from numpy import in1d\nx = in1d(a, b)\n", "from numpy import isin\nx = isin(a, b)\n"),
    "from as": (
        "from numpy import in1d as member\nx = member(a)\n",
        "from numpy import isin as member\nx = member(a)\n",
    ),
    "from among others": (
        "from numpy import (\n    array,  # kept\n    in1d,  # renamed\n    zeros,\n)\nx = in1d(array(1), zeros(2))\n",
        "from numpy import (\n    array,  # kept\n    isin,  # renamed\n    zeros,\n)\nx = isin(array(1), zeros(2))\n",
    ),
    "new name taken": (
        "from numpy import in1d\n\ndef isin(a):\n    return in1d(a, a)\n",
        "from numpy import isin as in1d\n\ndef isin(a):\n    return in1d(a, a)\n",
    ),
    "exported": (
        "from numpy import in1d\n__all__ = ['in1d']\n",
        "from numpy import isin as in1d\n__all__ = ['in1d']\n",
    ),
    "star": ("from numpy import *\nx = in1d(a, b)\n", "from numpy import *\nx = isin(a, b)\n"),
    "decorator": (
        "import numpy as np\n\n@register(np.trapz)  # why\ndef f():\n    pass\n",
        "import numpy as np\n\n@register(np.trapezoid)  # why\ndef f():\n    pass\n",
    ),
    "walrus": (
        "import numpy as np\nif (y := np.in1d(a, b)).any():\n    print(y)\n",
        "import numpy as np\nif (y := np.isin(a, b)).any():\n    print(y)\n",
    ),
    "match": (
        "import numpy as np\nmatch np.in1d(a, b):\n    case in1d if np.trapz(in1d):\n        print(in1d)\n",
        "import numpy as np\nmatch np.isin(a, b):\n    case in1d if np.trapezoid(in1d):\n        print(in1d)\n",
    ),
    "lambda": (
        "import numpy as np\nf = lambda in1d: np.in1d(in1d, 1)\n",
        "import numpy as np\nf = lambda in1d: np.isin(in1d, 1)\n",
    ),
    "comprehension": (
        "import numpy as np\ny = [np.trapz(trapz) for trapz in x]\n",
        "import numpy as np\ny = [np.trapezoid(trapz) for trapz in x]\n",
    ),
    "default argument": (
        "import numpy as np\ndef f(g=np.trapz, *, h: int = 1) -> None: ...\n",
        "import numpy as np\ndef f(g=np.trapezoid, *, h: int = 1) -> None: ...\n",
    ),
    "over lines": (
        "import numpy as np\nx = (np\n     .in1d(a,\n            b))  # in1d\n",
        "import numpy as np\nx = (np\n     .isin(a,\n            b))  # in1d\n",
    ),
    "continuation": (
        "import numpy as np\nx = np.\\\n    in1d(a, b)\n",
        "import numpy as np\nx = np.\\\n    isin(a, b)\n",
    ),
    "semicolons": (
        "import numpy as np; x = np.in1d(a, b); y = np.trapz(x)\n",
        "import numpy as np; x = np.isin(a, b); y = np.trapezoid(x)\n",
    ),
    "tabs": (
        "import numpy as np\ndef f():\n\tif 1:\n\t\treturn\tnp.in1d(a,\tb)\n",
        "import numpy as np\ndef f():\n\tif 1:\n\t\treturn\tnp.isin(a,\tb)\n",
    ),
    "form feed": ("import numpy as np\n\x0c\nx = np.in1d(a, b)\n", "import numpy as np\n\x0c\nx = np.isin(a, b)\n"),
    "keyword": (
        "import numpy as np\nx = np.reshape(a, newshape = (1, 2))\n",
        "import numpy as np\nx = np.reshape(a, shape = (1, 2))\n",
    ),
    "keyword over lines": (
        "import numpy as np\nx = np.reshape(\n    a,\n    # newshape below\n    newshape=(1,\n              2),\n)\n",
        "import numpy as np\nx = np.reshape(\n    a,\n    # newshape below\n    shape=(1,\n              2),\n)\n",
    ),
    "method": (
        "import numpy as np\ny = np.zeros(3)\nz = y.tostring()\n",
        "import numpy as np\ny = np.zeros(3)\nz = y.tobytes()\n",
    ),
    "method of a call": (
        "import numpy as np\nz = np.zeros(3).tostring()\n",
        "import numpy as np\nz = np.zeros(3).tobytes()\n",
    ),
    "moved below": (
        "import numpy as np\np = np.core.records.fromarrays(a)\n",
        "import numpy as np\np = np.rec.fromarrays(a)\n",
    ),
    "moved module": ("from numpy.core.records import fromarrays\n", "from numpy.rec import fromarrays\n"),
    "moved module as": (
        "import numpy.core.records as r\nr.fromarrays(a)\n",
        "import numpy.rec as r\nr.fromarrays(a)\n",
    ),
    "moved name": (
        "from numpy import format_parser, array\nformat_parser(array)\n",
        "from numpy import array\nfrom numpy.rec import format_parser\nformat_parser(array)\n",
    ),
    "moved name alone": (
        "from numpy import format_parser as p\np()\n",
        "from numpy.rec import format_parser as p\np()\n",
    ),
    "moved name last": (
        "from numpy import (array,\n                   format_parser)\nformat_parser(array)\n",
        "from numpy import (array)\nfrom numpy.rec import format_parser\nformat_parser(array)\n",
    ),
    "moved elsewhere": (
        "import numpy as np  # arrays\nx = np.broadcast_to_shape(a)\n",
        "import numpy as np  # arrays\nfrom numlib.shapes import broadcast_to_shape\nx = broadcast_to_shape(a)\n",
    ),
    "moved elsewhere, known": (
        "import numpy as np\nimport numlib.shapes as s\nx = np.broadcast_to_shape(a)\n",
        "import numpy as np\nimport numlib.shapes as s\nx = s.broadcast_to_shape(a)\n",
    ),
    "import inside": (
        "def f():\n    import numpy as np\n    return np.broadcast_to_shape(a)\n",
        "def f():\n    import numpy as np\n    from numlib.shapes import broadcast_to_shape\n    return broadcast_to_shape(a)\n",
    ),
    "from inside": (
        "def f(isin):\n    from numpy import in1d\n    return in1d(isin)\n",
        "def f(isin):\n    from numpy import isin as in1d\n    return in1d(isin)\n",
    ),
    "type comment": (
        "import numpy as np\nx = np.in1d(a, b)  # type: np.in1d\n",
        "import numpy as np\nx = np.isin(a, b)  # type: np.in1d\n",
    ),
    "beside a string": (
        'import numpy as np\nx = np.in1d("np.in1d(a)", b"""in1d\n""")\n',
        'import numpy as np\nx = np.isin("np.in1d(a)", b"""in1d\n""")\n',
    ),
    "accents before": (
        "import numpy as np\nx = ['é', np.in1d(a, b), 'ü', np.trapz(c)]\n",
        "import numpy as np\nx = ['é', np.isin(a, b), 'ü', np.trapezoid(c)]\n",
    ),
    "async": (
        "import numpy as np\nasync def f():\n    async with g(np.trapz) as h:\n        await h(np.in1d(a, b))\n",
        "import numpy as np\nasync def f():\n    async with g(np.trapezoid) as h:\n        await h(np.isin(a, b))\n",
    ),
    "class body": (
        "import numpy as np\nclass C:\n    in1d = staticmethod(np.in1d)\n    def trapz(self): return np.trapz(self.in1d)\n",
        "import numpy as np\nclass C:\n    in1d = staticmethod(np.isin)\n    def trapz(self): return np.trapezoid(self.in1d)\n",
    ),
    "nested calls": (
        "import numpy as np\nx = np.in1d(np.trapz(a), np.reshape(b, newshape=np.in1d(c, d)))\n",
        "import numpy as np\nx = np.isin(np.trapezoid(a), np.reshape(b, shape=np.isin(c, d)))\n",
    ),
}

SAME = {
    "nothing": "import numpy as np\nprint(np.isin(a, b))\n",
    "empty": "",
    "comment only": "# numpy.in1d\n",
    "string": 'import numpy as np\ntext = "np.in1d(a, b)"\n',
    "docstring": '"""Uses np.in1d.\n\n>>> np.in1d(a, b)\n"""\nimport numpy as np\n',
    "format string": "import numpy as np\ntext = f'np.in1d {np} {{np.in1d}}'\n",
    "another library": "import jax.numpy as np\nx = np.in1d(a, b)\n",
    "own function": "import numpy as np\ndef in1d(a, b): return a\nx = in1d(1, 2)\n",
    "own method": "import numpy as np\nclass C:\n    def tostring(self): return 1\nC().tostring()\n",
    "shadowed module": "import numpy as np\ndef f(np):\n    return np.in1d(1, 2)\n",
    "rebound module": "import numpy as np\nnp = other\nx = np.in1d(a, b)\n",
    "shadowed name": "from other import in1d\nx = in1d(a, b)\n",
    "attribute of another": "import numpy as np\nx = self.in1d(a, b)\n",
    "assigned attribute": "import numpy as np\nself.trapz = 3\n",
    "keyword of another": "import numpy as np\nx = other.reshape(a, newshape=(1, 2))\n",
    "own keyword": "import numpy as np\ndef reshape(newshape): ...\nreshape(newshape=1)\n",
    "dictionary key": "import numpy as np\nd = {'newshape': 1, 'in1d': 2}\n",
    "guarded by import": "try:\n    from numpy import isin\nexcept ImportError:\n    from numpy import in1d as isin\n",
    "guarded by hasattr": "import numpy as np\nf = np.trapezoid if hasattr(np, 'trapezoid') else np.trapz\n",
    "guarded by version": "import numpy as np\nif np.__version__ < '2':\n    f = np.in1d\nelse:\n    f = np.isin\n",
    "both keywords": "import numpy as np\nnp.reshape(a, newshape=1, shape=2)\n",
    "does not parse": "import numpy as np\nprint np.in1d(a, b)\n",
    "unfinished": "import numpy as np\nnp.in1d(a,\n",
    "tabs and spaces": "import numpy as np\nif 1:\n\tx = np.isin\n",
    "parameter named so": "import numpy as np\ndef f(in1d=1, *, trapz=2): return in1d, trapz\nf(in1d=3, trapz=4)\n",
    "loop variable": "import numpy as np\nfor in1d in range(3):\n    in1d(3)\n",
    "except name": "import numpy as np\ntry:\n    pass\nexcept ValueError as trapz:\n    print(trapz)\n",
    "match capture": "import numpy as np\nmatch x:\n    case {'a': in1d, **trapz}:\n        in1d(trapz)\n    case [*in1d]:\n        in1d()\n",
    "nonlocal": "def f():\n    in1d = 1\n    def g():\n        nonlocal in1d\n        in1d = 2\n    return in1d(g)\n",
    "relative import": "from .numpy import in1d\nx = in1d(a, b)\n",
    "only in a comment": "import numpy as np  # np.in1d\nx = 1  # np.trapz(newshape=3)\n",
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One file of the corpus."""

    name: str
    before: bytes
    after: bytes


def cases() -> Iterator[Case]:
    """Yield every program of the table in every form that can hold it."""
    table = {**CHANGED, **{name: (text, text) for name, text in SAME.items()}}
    for name, (before, after) in table.items():
        for form, encode in _FORMS.items():
            try:
                yield Case(f"{name}, {form}", encode(before), encode(after))
            except UnicodeEncodeError:
                continue


def _latin(text: str) -> bytes:
    return b"# -*- coding: latin-1 -*-\n# caf\xe9\n" + text.encode("latin-1")


_FORMS = {
    "plain": lambda text: text.encode(),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "BOM": lambda text: codecs.BOM_UTF8 + text.encode(),
    "BOM and CRLF": lambda text: codecs.BOM_UTF8 + text.replace("\n", "\r\n").encode(),
    "Latin-1": _latin,
    "no last line end": lambda text: text.rstrip("\n").encode(),
}
