"""Runs the unmodified official CLI against a control plane, and reads what it prints as a person or a script does."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import unicodedata
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEROKU = ROOT / ".cache/heroku-cli/node_modules/.bin/heroku"
NODE = 20
PATH = "/usr/local/bin:/usr/bin:/bin"
COMMAND_S = 120


@dataclass(frozen=True)
class Ended:
    """One command's end: exit code and what it printed, without glyphs, colours and runs of spaces."""

    line: str
    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Both streams as one line: warnings are wrapped anywhere."""
        return " ".join(f"{self.out}\n{self.err}".split())

    def row(self, name: str) -> str | None:
        """The value of a row such as `Status:` in what it printed."""
        found = re.search(rf"^{re.escape(name)}: (.*)$", self.out, re.MULTILINE)
        return found[1] if found else None


class OfficialCli:
    """`heroku` with the exports of `changeover env` and a home of its own."""

    def __init__(self, exports: dict[str, str], home: Path) -> None:
        self._environment = {
            **exports,
            "HOME": str(home),
            "PATH": PATH,
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "OCLIF_COLUMNS": "400",
        }
        self._home = home

    def __call__(self, line: str) -> Ended:
        """Run `heroku LINE` as a shell would split it; never raises for what the command returns."""
        ran = subprocess.run(
            [HEROKU, *shlex.split(line)],
            env=self._environment,
            cwd=self._home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        return Ended(line, ran.returncode, normal(ran.stdout), normal(ran.stderr))


def missing() -> str | None:
    """Why the official CLI can't be run here; None when it can. bin/test installs it for the same Node.js."""
    if HEROKU.exists():
        return None
    node = shutil.which("node", path=PATH)
    version = subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout if node else "v0."
    if int(version[1:].partition(".")[0]) < NODE:
        return f"there is no Node.js {NODE} or newer"
    return "the official CLI is not installed: bin/test does it"


def normal(text: str) -> str:
    """Lines without colours, without symbols (⬢ ⛁ ▸ …) at words, and with single spaces."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    kept = "".join(letter for letter in plain if unicodedata.category(letter) != "So" and letter not in "›»▸")
    return "\n".join(" ".join(row.split()) for row in kept.splitlines())


def must(ended: Ended) -> Ended:
    """Fails the test unless it succeeded."""
    assert ended.code == 0, f"{ended.line}: {ended.text}"
    return ended
