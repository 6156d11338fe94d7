"""The execution reward on entries drawn from the training data: the gold, its reformattings, the old code, and disguises of the old code.

    python benchmarks/execution_reward.py [--entries 200] [--seed 1]

The environments of the entries are built where they are missing, which needs the network. Every entry's gold and its reformattings must earn 1,
the old code and each disguise 0. Prints what does not.
"""

from __future__ import annotations

import argparse
import ast
import random
import textwrap
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from recode.machine import cores
from recode.prompts import response
from recode.records import Migration, read_records
from recode.rewards.execution import environment_of, score
from recode.sandbox.execution import Servers

DISGUISES: dict[str, Callable[[str, str], str]] = {
    "as it is": lambda old, module: old,
    "exec": lambda old, module: f"exec({old!r})",
    "exec in a function": lambda old, module: f"def run(text):\n    exec(text, {{}})\nrun({old!r})",
    "compiled as the library": lambda old, module: (
        f"import {module}\nexec(compile({old!r}, {module}.__file__, 'exec'), dict(vars({module})))"
    ),
    "thread": lambda old, module: (
        f"import threading\ndef run():\n{textwrap.indent(old, '    ')}\nt = threading.Thread(target=run)\nt.start()\nt.join()\n"
    ),
    "subprocess": lambda old, module: (
        "import subprocess, sys\n"
        f"sys.stdout.write(subprocess.run([sys.executable, '-c', {old!r}], capture_output=True, text=True).stdout)"
    ),
    "fork": lambda old, module: (
        f"import os\nif os.fork() == 0:\n{textwrap.indent(old, '    ')}\n    import sys\n    sys.stdout.flush()\n    os._exit(0)\nos.wait()\n"
    ),
    "after many warnings": lambda old, module: f"import warnings\nfor n in range(201): warnings.warn(str(n))\n{old}",
    "silenced": lambda old, module: f"import warnings\nwarnings.simplefilter('ignore')\n{old}",
    "a module of its own": lambda old, module: (
        f"import sys\nopen('own.py', 'w').write({old!r})\nsys.path.insert(0, '.')\nimport own\n"
    ),
}
FORMATS: dict[str, Callable[[str], str]] = {
    "gold": lambda gold: gold,
    "unparsed": lambda gold: ast.unparse(ast.parse(gold)),
    "with a comment on warnings": lambda gold: f"# No warning is given.\n{gold}\n",
    "blank lines": lambda gold: gold.replace("\n", "\n\n") if '"""' not in gold and "\\\n" not in gold else gold,
    "in a function": lambda gold: (
        gold
        if "import *" in gold or "global " in gold or "class " in gold or '"""' in gold or "'''" in gold
        else f"def warn_nobody():\n{textwrap.indent(gold, '    ')}\nwarn_nobody()\n"
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    entries = [entry for entry in read_records(Path("data/train.jsonl"), Migration) if entry.locks]
    chosen = random.Random(options.seed).sample(entries, options.entries)
    chosen.sort(key=lambda entry: entry.library)
    servers, wrong = Servers(), Counter[str]()

    def grade(entry: Migration) -> list[str]:
        assert entry.locks is not None
        environment = environment_of(entry.locks[1], Path("data/locks"))
        module = entry.old_symbol.package

        def earned(code: str) -> float | None:
            return score(response("", code), entry.new_code, entry.old_code, entry.stdout, environment, module, servers)

        found = [f"{name}: {entry.id}" for name, make in FORMATS.items() if earned(make(entry.new_code)) != 1.0]
        return found + [
            f"{name}: {entry.id}" for name, make in DISGUISES.items() if earned(make(entry.old_code, module)) != 0.0
        ]

    with servers, ThreadPoolExecutor(cores()) as pool:
        for done, found in enumerate(pool.map(grade, chosen), start=1):
            for line in found:
                wrong[line.split(":")[0]] += 1
                print(line, flush=True)
            if done % 20 == 0:
                print(f"{done} of {len(chosen)}", flush=True)
    print(
        f"{len(chosen)} entries of {len({entry.library for entry in chosen})} libraries; wrong: {dict(wrong) or 'none'}"
    )


if __name__ == "__main__":
    main()
