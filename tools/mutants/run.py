#!/usr/bin/env python3
"""Draws mutants of speech, text, wire and the loop, runs the fast tests that reach each, and prints what survived.

    make mutants
    python tools/mutants/run.py --count 50 --seed 2      # another draw
    python tools/mutants/run.py --again                  # the survivors once more, after tests were added

mutmut makes the mutants (``[tool.mutmut]`` in pyproject.toml says of which files and for which tests) and keeps each
result in ``mutants/``, so a run that was interrupted goes on where it was. It changes what stands in functions without
decorators: constants of modules, properties and dataclasses stay as they are.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DIED = ("killed", "timeout")  # a mutant that never comes to an end is noticed


def generate() -> None:
    """Every mutant, as code in ``mutants/``; results of functions that have changed since are dropped."""
    from mutmut.__main__ import copy_also_copy_files, copy_src_dir, create_mutants

    Path("mutants").mkdir(exist_ok=True)
    copy_src_dir()
    copy_also_copy_files()
    create_mutants(max_children=1)


def results() -> dict[str, str]:
    """Each mutant's name with what became of it: "not checked" at first."""
    from mutmut.stats import status_by_exit_code

    codes: dict[str, int | None] = {}
    for path in sorted(Path("mutants").rglob("*.py.meta")):
        codes.update(json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"])
    return {name: status_by_exit_code[code] for name, code in sorted(codes.items())}


def mutmut(*arguments: str) -> str:
    """The output of a run of mutmut. A run that is interrupted has kept its results."""
    done = subprocess.run([sys.executable, "-m", "mutmut", *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"mutmut {arguments[0]} failed with status {done.returncode}:\n{done.stdout[-3000:]}")
    return done.stdout


def report(drawn: list[str], found: dict[str, str]) -> None:
    """The score by file, and every mutant that lives, as a diff."""
    tried = [name for name in drawn if found[name] != "not checked"]
    alive = [name for name in tried if found[name] not in DIED]
    for name in alive:
        print(mutmut("show", name))
    count = collections.Counter(name.rsplit(".", 1)[0] for name in tried)
    lives = collections.Counter(name.rsplit(".", 1)[0] for name in alive)
    print("| File | Mutants | Noticed |\n|---|---|---|")
    for module in sorted(count):
        print(f"| `{module.replace('.', '/')}.py` | {count[module]} | {count[module] - lives[module]} |")
    dead = len(tried) - len(alive)
    print(f"\n{dead} of {len(tried)} noticed: {100 * dead / max(1, len(tried)):.1f} %; {len(drawn)} drawn")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=400, help="how many mutants (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the draw (default: %(default)s)")
    parser.add_argument("--again", action="store_true", help="try the survivors once more")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (default: %(default)s)")
    parser.add_argument("--report", action="store_true", help="only print what is known")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    if not arguments.report:
        generate()
    found = results()
    drawn = random.Random(arguments.seed).sample(list(found), min(arguments.count, len(found)))
    waiting = [name for name in drawn if found[name] == "not checked" or (arguments.again and found[name] not in DIED)]
    if waiting and not arguments.report:
        print(f"{len(waiting)} of {len(drawn)} mutants to try", file=sys.stderr)
        mutmut("run", "--max-children", str(arguments.jobs), *waiting)
    report(drawn, results())


if __name__ == "__main__":
    main()
