#!/usr/bin/env python3
"""Breaks the controller on purpose, one small patch at a time, and looks which test notices.

Each patch beside this file says what it breaks (What) and how it is looked for: a line of arguments of `cargo test` for
each try (Tests), until one fails. The same arguments are played without the patch first: a test that fails then, too, has
noticed nothing. A mutant is killed by a test that fails by name, or by one that hangs where without the patch all ended
soon. One that no test notices has survived: a test is missing. One that does not compile, or ends the tests in any other
way, shows nothing, and its patch is to be mended. It works on a copy of the sources, and never touches the ones that it
was called in.

usage: run.py            every mutant; the table goes to target/mutants/report.md, too
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
# Seconds for one try, what is built before it apart; a test that hangs has noticed too.
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
    rows, unpatched = [], Unpatched()
    for number, mutant in enumerate(chosen, 1):
        began = time.monotonic()
        outcome, by = play(mutant, tries(mutant, quickly), unpatched)
        took = time.monotonic() - began
        print(f"{number}/{len(chosen)} {mutant['name']}: {outcome} {by} ({took:.0f} s)", flush=True)
        rows.append((mutant, outcome, by))
    report(rows)
    wrong = [m["name"] for m, outcome, _ in rows if outcome != "killed"]
    if wrong:
        sys.exit(f"not killed: {', '.join(wrong)}")


def read(path):
    head = path.read_text().split("\n\n", 1)[0]
    says = dict(line.split(": ", 1) for line in head.splitlines())
    return {"name": path.stem, "path": path, "what": says["What"], "tests": says["Tests"]}


def tries(mutant, quickly):
    if mutant["tests"] == "--lib":
        return [QUICK, f"--lib -- --skip {SEARCH}", f"--lib {SEARCH}"][: 2 if quickly else 3]
    return mutant["tests"].split(" | ")


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


class Unpatched:
    """What came of arguments without any patch. Each is played once."""

    def __init__(self):
        self.known = {}

    def played(self, arguments):
        if arguments not in self.known:
            self.known[arguments] = run(arguments, "unpatched.log")
            print(f"without a patch: cargo test {arguments}: {self.known[arguments]}", flush=True)
        return self.known[arguments]


class Run:
    """How the tests ended."""

    def __init__(self, end, seconds, failed=()):
        # One of: passed, failed, hung, not compiled.
        self.end, self.seconds, self.failed = end, seconds, list(failed)

    def __str__(self):
        return f"{self.end} {', '.join(self.failed)} ({self.seconds:.0f} s)".replace("  ", " ")


def play(mutant, tries, unpatched):
    """The outcome, and by what."""
    for arguments in tries:
        before = unpatched.played(arguments)
        if before.end != "passed":
            return "not shown", f"without the patch, too: cargo test {arguments}: {before}"
        if patch(mutant, COPY).returncode:
            return "stale", "the patch does not apply"
        try:
            after = run(arguments, "last.log")
        finally:
            patch(mutant, COPY, "--reverse")
        outcome = judged(before, after, arguments)
        if outcome[0] != "survived":
            return outcome
    return outcome


def judged(before, after, arguments):
    if after.end == "not compiled":
        return "broken", "it does not compile"
    if after.end == "passed":
        return "survived", f"cargo test {arguments}"
    if after.end == "hung":
        soon = before.seconds < PATIENCE / 3
        return "killed" if soon else "not shown", f"hung: cargo test {arguments}, which ends in {before.seconds:.0f} s without it"
    if not after.failed:
        return "not shown", f"no test failed by name: cargo test {arguments}"
    more = f" and {len(after.failed) - 3} more" if len(after.failed) > 3 else ""
    return "killed", ", ".join(f"`{f}`" for f in after.failed[:3]) + more


def run(arguments, log):
    """Builds the tests that these arguments name, then plays them."""
    options, *of_tests = arguments.split(" -- ", 1)
    if cargo([*options.split(), "--no-run"], log, None):
        return Run("not compiled", 0)
    began = time.monotonic()
    code = cargo(["--no-fail-fast", *options.split(), *(["--", *of_tests[0].split()] if of_tests else [])], log, PATIENCE)
    seconds, said = time.monotonic() - began, (WORK / log).read_text(errors="replace")
    if code is None:
        return Run("hung", seconds)
    if code == 0:
        # A name that no test has any more shows nothing.
        return Run("passed" if re.search(r"^running [1-9]", said, re.M) else "failed", seconds)
    return Run("failed", seconds, failed_in(said))


def failed_in(said):
    """By the lines of the tests, which what they print may tear apart, and by the lists at their end."""
    found = re.findall(r"^test (\S+) .*FAILED$", said, re.M)
    for listed in re.findall(r"^failures:\n((?:    \S+\n)+)", said, re.M):
        found += listed.split()
    return list(dict.fromkeys(found))


def cargo(arguments, log, patience):
    """The exit code; None where it took longer than that."""
    environment = dict(os.environ, CARGO_TARGET_DIR=str(WORK / "target"))
    with open(WORK / log, "w") as out:
        # A group of its own: what hangs is ended with all that it started.
        command = subprocess.Popen(
            ["cargo", "test", *arguments], cwd=COPY, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            return command.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(command.pid, 9)
            command.wait()
            return None


def patch(mutant, where, *options):
    # The times of a file that was patched and mended again must grow, or its build would be thought fresh.
    return subprocess.run(
        ["patch", "-p1", "--quiet", "--force", "--no-backup-if-mismatch", "--reject-file=-", *options, "-i", mutant["path"]],
        cwd=where, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )


def report(rows):
    killed = sum(outcome == "killed" for _, outcome, _ in rows)
    lines = [f"{killed} of {len(rows)} mutants were killed.", "", "| mutant | what it breaks | outcome | by |", "|---|---|---|---|"]
    lines += [f"| {m['name']} | {m['what']} | {outcome} | {by} |" for m, outcome, by in rows]
    text = "\n".join(lines) + "\n"
    (WORK / "report.md").write_text(text)
    print(f"\n{text}\nThe table stands in {(WORK / 'report.md').relative_to(ROOT)}, too.")


if __name__ == "__main__":
    main(sys.argv[1:])
