#!/usr/bin/env python3
"""Breaks the controller on purpose, one small patch at a time, and looks which test notices.

Each patch beside this file says what it breaks (What) and how it is looked for: a line of arguments of `cargo test` for
each try (Tests), until one fails. A mutant that no test notices has survived: a test is missing. It works on a copy of the sources, and never
touches the ones that it was called in.

usage: run.py            every mutant; the table goes to target/mutants/report.md
       run.py NAME ...   only these
       run.py --quickly [NAME ...]   without the search through all states, which takes minutes
       run.py --check    whether all patches still apply, without building
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ROOT / "target" / "mutants"
COPY = WORK / "sources"
# Most mutants fall to a test that takes no time: these come first.
QUICK = "--lib -- --skip model:: --skip properties:: --skip damage:: --skip fuzz::"
SEARCH = "the_laws_hold_in_every_state"
# For one try; a test that hangs has noticed too.
PATIENCE = 1500


def main(names):
    mutants = [read(p) for p in sorted(HERE.glob("*.patch"))]
    if names == ["--check"]:
        return check(mutants)
    quickly = "--quickly" in names
    names = [n for n in names if n != "--quickly"]
    unknown = set(names) - {m["name"] for m in mutants}
    if unknown:
        sys.exit(f"no such mutant: {', '.join(sorted(unknown))}")
    chosen = [m for m in mutants if not names or m["name"] in names]
    # Those that cost a minute first, those that need a control plane last.
    chosen.sort(key=lambda m: not m["tests"].startswith("--lib"))
    copy_sources()
    rows = []
    for number, mutant in enumerate(chosen, 1):
        began = time.monotonic()
        outcome, by = play(mutant, quickly)
        took = time.monotonic() - began
        print(f"{number}/{len(chosen)} {mutant['name']}: {outcome} {by} ({took:.0f} s)", flush=True)
        rows.append((mutant, outcome, by, took))
    report(rows)
    wrong = [m["name"] for m, outcome, _, _ in rows if outcome != "killed"]
    if wrong:
        sys.exit(f"not killed: {', '.join(wrong)}")


def read(path):
    head = path.read_text().split("\n\n", 1)[0]
    says = dict(line.split(": ", 1) for line in head.splitlines())
    return {"name": path.stem, "path": path, "what": says["What"], "tests": says["Tests"]}


def check(mutants):
    stale = [m["name"] for m in mutants if patch(m, ROOT, "--dry-run").returncode]
    if stale:
        sys.exit(f"these patches do not apply any more: {', '.join(stale)}")
    print(f"{len(mutants)} mutants apply")


def copy_sources():
    """Files keep their times at first, so that only what changes is built anew."""
    tracked = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True)
    wanted = [f for f in tracked.stdout.decode().split("\0") if f and (ROOT / f).is_file()]
    wanted += [str(p.relative_to(ROOT)) for d in ("cluster", "registry") for p in (ROOT / "tests" / d / "bin").glob("*")]
    for file in wanted:
        there = COPY / file
        there.parent.mkdir(parents=True, exist_ok=True)
        if not there.exists():
            shutil.copy2(ROOT / file, there)
        elif there.read_bytes() != (ROOT / file).read_bytes():
            # Newer than what was built of it, which may be a mutant that nobody mended.
            shutil.copyfile(ROOT / file, there)
    for file in [p for p in COPY.rglob("*.rs") if str(p.relative_to(COPY)) not in set(wanted)]:
        file.unlink()


def play(mutant, quickly):
    if patch(mutant, COPY).returncode:
        return "stale", "the patch does not apply"
    try:
        tries = mutant["tests"].split(" | ")
        if tries == ["--lib"]:
            tries = [QUICK, f"--lib -- --skip {SEARCH}", f"--lib {SEARCH}"][: 2 if quickly else 3]
        for arguments in tries:
            outcome, by = attempt(arguments)
            if outcome != "survived":
                return outcome, by
        return outcome, by
    finally:
        patch(mutant, COPY, "--reverse")


def attempt(arguments):
    environment = dict(os.environ, CARGO_TARGET_DIR=str(WORK / "target"))
    command = ["cargo", "test", "--no-fail-fast", *arguments.split()]
    log = WORK / "last.log"
    with open(log, "w") as out:
        # A group of its own: what hangs is ended with all that it started.
        run = subprocess.Popen(command, cwd=COPY, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code = run.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, 9)
            run.wait()
            return "killed", f"hung: cargo test {arguments}"
    said = log.read_text(errors="replace")
    failed = re.findall(r"^test (\S+) \.\.\. FAILED", said, re.M)
    if "could not compile" in said:
        return "broken", "it does not compile"
    if code == 0:
        return "survived", f"cargo test {arguments}"
    return "killed", ", ".join(f"`{f}`" for f in failed[:3]) + (f" and {len(failed) - 3} more" if len(failed) > 3 else "")


def patch(mutant, where, *options):
    # The times of a file that was patched and mended again must grow, or its build would be thought fresh.
    return subprocess.run(
        ["patch", "-p1", "--quiet", "--force", "--no-backup-if-mismatch", "--reject-file=-", *options, "-i", mutant["path"]],
        cwd=where, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )


def report(rows):
    killed = sum(outcome == "killed" for _, outcome, _, _ in rows)
    lines = [f"{killed} of {len(rows)} mutants were killed.", "", "| mutant | what it breaks | outcome | by |", "|---|---|---|---|"]
    lines += [f"| {m['name']} | {m['what']} | {outcome} | {by} |" for m, outcome, by, _ in rows]
    (WORK / "report.md").write_text("\n".join(lines) + "\n")
    print(f"\n{lines[0]} The table: {(WORK / 'report.md').relative_to(ROOT)}")


if __name__ == "__main__":
    main(sys.argv[1:])
