"""Take pictures of pages, wide and narrow, light and dark, and check them for accessibility, in headless Chromium.

    python tools/screenshots.py site/index.html report.html --out shots             # PNG files, four for each page
    python tools/screenshots.py report.html --out shots --axe node_modules/axe-core/axe.min.js     # and what axe reports

Chromium comes from the system (`apt-get install chromium`), axe from npm (`npm install axe-core`). No page needs a server or a network.
With `--axe` the exit code is 1 if a page has a serious or critical finding.
"""

from __future__ import annotations

import argparse
import html
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

WIDTHS = {"wide": 1440, "narrow": 400}
SCHEMES = {"light": 1, "dark": 0}
"""Chromium's numbers for the preferred colour scheme."""
SERIOUS = ("serious", "critical")
_HEIGHT = 1600
_WAIT = 8_000
"""Milliseconds of the page's own time before the picture is taken."""
_RUN = """
axe.run(document).then(function (found) {
  var box = document.createElement("pre");
  box.id = "axe-findings";
  box.textContent = JSON.stringify(found.violations.map(function (one) {
    return {id: one.id, impact: one.impact, help: one.help, places: one.nodes.map(function (n) { return n.html.slice(0, 160); })};
  }));
  document.body.appendChild(box);
});
"""


def browser() -> str:
    """Return Chromium's path.

    Raises:
        SystemExit: it is not installed.
    """
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    sys.exit("Chromium is not installed; install it with `apt-get install chromium`")


def run(scheme: int, *arguments: str) -> str:
    """Run Chromium without a window; return what it prints."""
    command = [
        browser(), "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--allow-file-access-from-files",
        f"--blink-settings=preferredColorScheme={scheme}", f"--virtual-time-budget={_WAIT}", *arguments,
    ]  # fmt: skip
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=180).stdout


def pictures(page: Path, out: Path) -> list[Path]:
    """Write a picture of a page for each width and colour scheme."""
    made = []
    for width, pixels in WIDTHS.items():
        for scheme, number in SCHEMES.items():
            target = out / f"{page.stem}-{width}-{scheme}.png"
            run(number, f"--window-size={pixels},{_HEIGHT}", f"--screenshot={target}", page.resolve().as_uri())
            made.append(target)
    return made


def findings(page: Path, axe: Path, scheme: int) -> list[dict[str, Any]]:
    """Return what axe reports of a page: rule, impact, help and the places."""
    text = page.read_text(encoding="utf-8")
    scripts = f"<script>{axe.read_text(encoding='utf-8')}</script><script>{_RUN}</script>"
    with tempfile.NamedTemporaryFile("w", suffix=".html", dir=page.parent, encoding="utf-8") as copy:
        # Beside the page, so that what it loads is found.
        copy.write(text.replace("</body>", f"{scripts}</body>") if "</body>" in text else text + scripts)
        copy.flush()
        shown = run(scheme, f"--window-size={WIDTHS['wide']},{_HEIGHT}", "--dump-dom", Path(copy.name).as_uri())
    found = re.search(r'<pre id="axe-findings">(.*?)</pre>', shown, re.DOTALL)
    if found is None:
        sys.exit(f"{page}: axe did not end")
    rows: list[dict[str, Any]] = json.loads(html.unescape(found[1]))
    return rows


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="a folder for the pictures")
    parser.add_argument("--axe", type=Path, help="axe.min.js")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    grave = 0
    for page in options.pages:
        for picture in pictures(page, options.out):
            print(picture)
        for name, scheme in SCHEMES.items() if options.axe else ():
            for one in findings(page, options.axe, scheme):
                grave += one["impact"] in SERIOUS
                print(f"{page} ({name}): {one['impact']}: {one['id']}: {one['help']} ({len(one['places'])} places)")
                for place in one["places"][:3]:
                    print(f"    {place}")
    return int(grave > 0)


if __name__ == "__main__":
    sys.exit(main())
