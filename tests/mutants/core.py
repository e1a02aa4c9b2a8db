#!/usr/bin/env python3
"""Plays the changes that cargo-mutants knows of the pure core, all of them from one build.

One build for each change takes a minute, and there are two thousand. So a copy of the sources gets all of them at once:
the body of a function becomes one body for each of its changes, and the environment says which one counts. Changes that do
not compile are left out, as the compiler names them. Each is then held against the library's tests, first against those
that take no time, and the process ends with the first assertion that breaks.

usage: core.py              every change; the table goes to target/mutants-core/report.md
       core.py --one-in N   a part of them, evenly drawn
       core.py --again      those that were not noticed the last time
       core.py --list       what there is, without building
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
WORK = ROOT / "target" / "mutants-core"
COPY = WORK / "sources"
CHOICE = "TIDEGATE_MUTANT"
SEARCH = "the_laws_hold_in_every_state"
# Most fall to a table or a scene that takes no time.
SLOW = ["model::", "properties::", "damage::", "fuzz::", "on_and_on", "fates", "going_back"]
PATIENCE = 900
# A change may ask for memory without end.
MEMORY = 6 << 30

SWITCH = f'''
/// Which change counts in this process; the first assertion that it breaks ends it.
pub(crate) mod mutant {{
    pub(crate) fn on() -> u32 {{
        static CHOSEN: std::sync::LazyLock<u32> = std::sync::LazyLock::new(|| {{
            let chosen = std::env::var("{CHOICE}").ok().and_then(|v| v.parse().ok()).unwrap_or(0);
            if chosen > 0 {{
                std::panic::set_hook(Box::new(|panic| {{
                    let test = std::thread::current().name().unwrap_or_default().to_owned();
                    // Not `eprintln!`: the tests' harness keeps what that prints.
                    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("noticed by {{test}}: {{panic}}\\n"));
                    std::process::exit(99);
                }}));
            }}
            chosen
        }});
        *CHOSEN
    }}
}}
'''


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--one-in", type=int, default=1)
    options.add_argument("--again", action="store_true")
    options.add_argument("--list", action="store_true")
    options.add_argument("--jobs", type=int, default=1)
    options = options.parse_args()
    mutants = known()
    if options.list:
        for m in mutants:
            print(m["name"])
        return
    print(f"{len(mutants)} changes; building all of them at once ...", flush=True)
    binary, left_out = build(mutants)
    playable = [m for m in mutants if m["id"] not in left_out]
    chosen = playable[:: options.one_in]
    if options.again:
        last = (WORK / "report.md").read_text()
        chosen = [m for m in playable if f"- `{m['name']}`" in last]
    print(f"{len(playable)} compile; playing {len(chosen)} of them", flush=True)
    sound = play(binary, 4_000_000_000)
    if sound[0] != "survived":
        sys.exit(f"without any change the tests do not pass: {sound}")
    outcomes = {}
    with ThreadPoolExecutor(options.jobs) as pool:
        for number, (m, outcome) in enumerate(zip(chosen, pool.map(lambda m: play(binary, m["id"]), chosen)), 1):
            outcomes[m["id"]] = outcome
            print(f"{number}/{len(chosen)} {m['name']}: {' '.join(outcome)}", flush=True)
    report(mutants, left_out, chosen, outcomes)


def known():
    """What cargo-mutants would change, with where."""
    listed = subprocess.run(["cargo", "mutants", "--list", "--json"], cwd=ROOT, capture_output=True, check=True)
    mutants = [m for m in json.loads(listed.stdout) if m.get("function")]
    for number, m in enumerate(mutants, 1):
        at = m["span"]["start"]
        m["id"] = number
        m["name"] = f"{m['file']}:{at['line']}:{at['column']}: {m['function']['function_name']}: {m['genre']} -> {m['replacement']}"
    return mutants


def build(mutants):
    """The test binary, and the changes that do not compile."""
    copy_sources()
    # Those that do not compile are mostly those of the last time.
    remembered = WORK / "do-not-compile.json"
    names = set(json.loads(remembered.read_text())) if remembered.exists() else set()
    left_out = {m["id"] for m in mutants if m["name"] in names}
    while True:
        places = write(mutants, left_out)
        wrong, binary, said = compiled(places)
        if binary:
            remembered.write_text(json.dumps([m["name"] for m in mutants if m["id"] in left_out]))
            return binary, left_out
        if not wrong - left_out:
            sys.exit(f"the changed sources do not compile:\n{said}")
        left_out |= wrong
        print(f"{len(left_out)} do not compile", flush=True)


def copy_sources():
    tracked = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True)
    for file in filter(None, tracked.stdout.decode().split("\0")):
        if (ROOT / file).is_file() and not file.startswith("tests/cluster"):
            put(COPY / file, (ROOT / file).read_bytes())


def put(path, data):
    """What does not change keeps its time, so that cargo builds nothing anew."""
    if not path.exists() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def write(mutants, left_out):
    """Writes the changed sources. For each file, which lines belong to which change."""
    places = {}
    by_file = defaultdict(list)
    for m in mutants:
        if m["id"] not in left_out:
            by_file[m["file"]].append(m)
    for file in sorted({m["file"] for m in mutants}):
        text, lines = changed((ROOT / file).read_text(), by_file[file])
        put(COPY / file, text.encode())
        places[file] = lines
    lib = (ROOT / "src/lib.rs").read_text()
    put(COPY / "src/lib.rs", (lib + SWITCH).encode())
    return places


def changed(text, mutants):
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    offset = lambda p: starts[p["line"] - 1] + p["column"] - 1
    functions = defaultdict(list)
    for m in mutants:
        span = m["function"]["span"]
        functions[(offset(span["start"]), offset(span["end"]))].append(m)
    # One function within another is left to the outer one's bodies as it is.
    outer = [f for f in functions if not any(o != f and o[0] <= f[0] and f[1] <= o[1] for o in functions)]
    pieces, done = [], 0
    for function in sorted(outer):
        body = body_of(text, function)
        if body is None:
            continue
        begin, end = body
        pieces.append(text[done:begin])
        pieces.append("{ match crate::mutant::on() {\n")
        for m in functions[function]:
            one = variant(text, m, offset, begin, end)
            if one is not None:
                pieces.append(f"/*MUTANT {m['id']}*/ {m['id']} => {one}\n")
        pieces.append(f"/*MUTANT 0*/ _ => {text[begin:end]}\n/*MUTANT 0*/ }} }}")
        done = end
    pieces.append(text[done:])
    result = "".join(pieces)
    return result, [int(m.group(1)) if (m := re.match(r"/\*MUTANT (\d+)\*/", line)) else None for line in result.splitlines()]


def body_of(text, function):
    """Its braces, and what is between them."""
    begin, end = function
    end = text.rindex("}", begin, end) + 1
    head = re.search(r"\bfn\b", text[begin:end])
    if head is None or re.search(r"\bconst\s+(unsafe\s+)?fn\b", text[begin : begin + head.end()]):
        return None
    depth, at = 0, begin + head.end()
    while at < end:
        sign = text[at]
        if text.startswith("->", at):
            at += 1
        elif sign in "([<":
            depth += 1
        elif sign in ")]>":
            depth -= 1
        elif sign == "{" and depth == 0:
            return at, end
        at += 1
    return None


def variant(text, m, offset, begin, end):
    first, last = offset(m["span"]["start"]), offset(m["span"]["end"])
    if m["genre"] == "FnValue":
        return "{ " + m["replacement"] + " }"
    if not begin <= first <= last <= end:
        return None
    return text[begin:first] + m["replacement"] + text[last:end]


def compiled(places):
    # What it depends on is built already.
    env = os.environ | {"CARGO_TARGET_DIR": str(ROOT / "target")}
    command = ["cargo", "test", "--lib", "--no-run", "--profile", "optimized", "--message-format=json"]
    run = subprocess.run(command, cwd=COPY, env=env, capture_output=True, text=True)
    wrong, binary, said = set(), None, []
    for line in run.stdout.splitlines():
        message = json.loads(line)
        if message.get("reason") == "compiler-artifact" and message.get("executable") and message["profile"]["test"]:
            binary = message["executable"]
        if message.get("reason") == "compiler-message" and message["message"]["level"] == "error":
            said.append(message["message"]["rendered"])
            wrong |= {owner for s in message["message"]["spans"] if (owner := owner_of(places, s))}
    return wrong, binary if run.returncode == 0 else None, "\n".join(said[:5]) + run.stderr[-2000:]


def owner_of(places, span):
    """The change in whose body the compiler found something."""
    lines = places.get(span["file_name"], [])
    for line in range(min(span["line_start"], len(lines)) - 1, -1, -1):
        if lines[line] is not None:
            return lines[line]
    return None


def play(binary, number):
    """What became of it: who noticed."""
    quick = [a for name in [SEARCH, *SLOW] for a in ("--skip", name)]
    for arguments in (["rollout", *quick], ["rollout", "--skip", SEARCH]):
        began = time.monotonic()
        env = os.environ | {CHOICE: str(number), "RUST_BACKTRACE": "0"}
        limits = lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        try:
            run = subprocess.run([binary, *arguments, "--test-threads=2"], cwd=COPY, env=env, capture_output=True, text=True, timeout=PATIENCE, preexec_fn=limits)
        except subprocess.TimeoutExpired:
            return "noticed", "it does not end"
        if run.returncode:
            by = re.search(r"noticed by (\S+):", run.stderr)
            return "noticed", by.group(1).removeprefix("rollout::") if by else f"it ends with {run.returncode}"
    return "survived", f"({time.monotonic() - began:.0f} s)"


def report(mutants, left_out, chosen, outcomes):
    survivors = [m for m in chosen if outcomes[m["id"]][0] == "survived"]
    rows = Counter(m["file"] for m in chosen)
    lost = Counter(m["file"] for m in survivors)
    text = ["# Changes of the pure core", "", f"{len(mutants)} known to cargo-mutants, {len(left_out)} do not compile, {len(chosen)} played, {len(survivors)} not noticed.", ""]
    text += ["| file | played | not noticed |", "|---|---|---|"]
    text += [f"| `{file}` | {n} | {lost[file]} |" for file, n in sorted(rows.items())]
    text += ["", "## Not noticed", ""] + [f"- `{m['name']}`" for m in survivors]
    (WORK / "report.md").write_text("\n".join(text) + "\n")
    print(text[2])


if __name__ == "__main__":
    main()
