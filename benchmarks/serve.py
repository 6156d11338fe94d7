"""Programs a second of `recode sandbox serve`, beside `subprocess` on the same programs, in one run; and its verdicts under load.

    python benchmarks/serve.py [--programs 1500] [--repeats 3] [--connections 32]

The server and the client share this machine's cores. The two take turns; the table gives the median and the range of the repeats. Every
answer is compared with what its program must do: print its own number, end with its own exit status, or raise. A last part adds endless
loops, programs that want too much memory and large outputs, and asks only whether each answer is right.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

CORES = len(os.sched_getaffinity(0))
SMALL = ("value", "status", "error")


def program(number: int, kind: str) -> tuple[dict[str, Any], Any]:
    """A request, and the (status, run status, exit status, output) that its answer must have."""
    code, expected, more = {
        "value": (f"print(sum(range({number})))", ("Success", "Finished", 0, f"{sum(range(number))}\n"), {}),
        "status": (f"print(input())\nraise SystemExit({number % 7 + 1})", ("Failed", "Finished", number % 7 + 1, f"{number}\n"),
                   {"stdin": f"{number}\n"}),
        "error": (f"print({number})\n[][{number}]", ("Failed", "Finished", 1, f"{number}\n"), {}),
        "loop": (f"print({number}, flush=True)\nwhile True: pass", ("Failed", "TimeLimitExceeded", None, f"{number}\n"),
                 {"run_timeout": 1.0}),
        "memory": ("held = bytearray(1 << 30)", ("Failed", "Finished", 1, ""), {"memory_limit_MB": 256}),
        "output": (f"print('{number % 10}' * 300000)", ("Success", "Finished", 0, f"{number % 10}" * 300000 + "\n"), {}),
    }[kind]  # fmt: skip
    return {"code": code, "language": "python", "run_timeout": 10.0, **more}, expected


async def ask(port: int, work: list[tuple[bytes, Any]], connections: int) -> list[str]:
    """Send every request; return what was wrong with each wrong answer."""
    wrong: list[str] = []
    waiting = iter(work)

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
        for body, expected in waiting:
            head = f"POST /run_code HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            header = await reader.readuntil(b"\r\n\r\n")
            size = int(header.lower().partition(b"content-length:")[2].split()[0])
            answer = json.loads(await reader.readexactly(size))
            run = answer.get("run_result") or {}
            found = answer.get("status"), run.get("status"), run.get("return_code"), run.get("stdout")
            if found != expected:
                wrong.append(f"{body[:80]!r}: {str(found)[:120]} {answer.get('message', answer)}"[:300])
        writer.close()

    await asyncio.gather(*(connection() for _ in range(connections)))
    return wrong


def served(port: int, kinds: list[str], connections: int) -> tuple[float, list[str]]:
    """Programs a second, and what was wrong."""
    work = []
    for number, kind in enumerate(kinds):
        request, expected = program(number, kind)
        work.append((json.dumps(request).encode(), expected))
    began = time.perf_counter()
    wrong = asyncio.run(ask(port, work, connections))
    return len(work) / (time.perf_counter() - began), wrong


def plain(kinds: list[str]) -> tuple[float, list[str]]:
    """The same by a Python process each, as many at a time as there are cores."""
    with tempfile.TemporaryDirectory() as folder:

        def run(number: int) -> str | None:
            request, expected = program(number, kinds[number])
            path = Path(folder, f"{number}.py")
            path.write_text(request["code"])
            done = subprocess.run(
                [sys.executable, "-I", str(path)],
                input=request.get("stdin", ""),
                capture_output=True,
                text=True,
                check=False,
            )
            return None if (done.returncode, done.stdout) == expected[2:] else str(done)[:200]

        began = time.perf_counter()
        with ThreadPoolExecutor(CORES) as pool:
            wrong = [one for one in pool.map(run, range(len(kinds))) if one]
        return len(kinds) / (time.perf_counter() - began), wrong


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=1500)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    print(f"{CORES} cores, load {os.getloadavg()[0]:.1f} before the first program")
    server = subprocess.Popen(
        [sys.executable, "-m", "recode", "sandbox", "serve", "--port", "0"], stderr=subprocess.PIPE, text=True
    )
    try:
        assert server.stderr
        said = server.stderr.readline()
        port = int(re.search(r":(\d+)/run_code", said)[1])  # type: ignore[index]
        print(said.strip())
        kinds = [SMALL[number % len(SMALL)] for number in range(options.programs)]
        served(port, kinds[:100], options.connections)
        rates: dict[str, list[float]] = {"recode sandbox serve": [], "subprocess": []}
        wrong: list[str] = []
        for _ in range(options.repeats):
            for name, (rate, errors) in (
                ("recode sandbox serve", served(port, kinds, options.connections)),
                ("subprocess", plain(kinds[: options.programs // 5])),
            ):
                rates[name].append(rate)
                wrong += errors
        for name, found in rates.items():
            print(f"{name}: {statistics.median(found):.0f} programs a second ({min(found):.0f} to {max(found):.0f})")
        mixed = [("loop" if n % 50 == 7 else "memory" if n % 25 == 3 else "output" if n % 25 == 4 else SMALL[n % 3])
                 for n in range(options.programs // 2)]  # fmt: skip
        wrong += served(port, mixed, 2 * options.connections)[1]
        counted = Counter(mixed)
        total = options.repeats * (options.programs + options.programs // 5) + len(mixed)
        hard = f"{counted['loop']} endless loops, {counted['memory']} memory hogs and {counted['output']} large outputs"
        print(f"verdicts under load, with {hard}: {len(wrong)} wrong of {total}; load {os.getloadavg()[0]:.1f}")
        for one in wrong[:10]:
            print(one)
    finally:
        server.terminate()
        server.wait()
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
