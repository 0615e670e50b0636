"""nabla and its rivals in turn, in one run on one machine: a table of ratios and a dated file in results/. See README.md."""

import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE / "rivals"))

import measuring  # noqa: E402
import run as rivals  # noqa: E402

WORKS = ("W1a", "W1b", "W1c", "W2", "W3", "W4", "W5", "W6", "W7", "W8", "W9", "W9c", "W10", "W10c", "W11", "W12a", "W12b", "W12c", "W12d", "start")
# What of nabla is divided by the rivals: the part that does what they are timed for.
COMPARED = {work: "step" for work in ("W1a", "W1b", "W1c", "W2", "W3", "W4", "W5")}
COMPARED |= {"W6": "fit alone", "W7": "accuracy", "W8": "random search", "W9": "MLP", "W9c": "CNN", "W10": "MLP", "W10c": "CNN"}
COMPARED |= {"W12a": "standardize", "W12b": "ROC AUC", "W12c": "ten folds", "W12d": "CSV"}
COMPILED = REPOSITORY / "target" / "npm" / "benches" / "works.js"


def compile_works():
    """The benchmark programs, against dist/ as it is."""
    for needed, command in (("node_modules", "npm ci"), ("dist/index.js", "npm run build")):
        if not (REPOSITORY / needed).exists():
            sys.exit(f"{needed} is missing: {command}")
    tsc = REPOSITORY / "node_modules" / "typescript" / "bin" / "tsc"
    subprocess.run(["node", str(tsc), "-p", str(HERE / "tsconfig.json")], check=True, cwd=REPOSITORY)


def output_of(*command):
    try:
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def machine():
    doctor = output_of("node", "dist/cli/main.js", "doctor").splitlines()
    simd = [line.split()[1] for line in doctor if line.startswith("SIMD ")]
    return {
        "processor": rivals.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.platform(),
        "node": output_of("node", "--version"),
        "nabla_simd": simd[0] if simd else None,
        "commit": output_of("git", "describe", "--always", "--dirty", "--abbrev=12"),
    }


class Session:
    """Runs programs one at a time and keeps every line that they print."""

    def __init__(self, options):
        self.options = options
        self.cores = sorted(os.sched_getaffinity(0))
        self.lines = []
        self.failed = []
        self.skipped = []

    def program(self, name, command, threads=None, variables=None, rival=False, **facts):
        """`threads` pins the program to as many cores (rivals pin themselves); `facts` are added to its lines."""
        environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", **(variables or {}))
        measuring.unrestrict(environment)
        began = time.perf_counter()
        os.sched_setaffinity(0, self.cores[:threads])  # inherited
        limit = min(self.options.limit, self.options.rival_limit) if rival else self.options.limit
        try:
            out, err, code, stopped = rivals.run_program(command + ["--quick"] * self.options.quick, environment, limit)
        finally:
            os.sched_setaffinity(0, self.cores)
        lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        took = time.perf_counter() - began
        if stopped and rival and not lines:
            # It is no slower for that, it has no figure: compilers can take minutes for a convolution's gradient.
            self.skipped.append(f"{name} did not compile within {limit:g} s")
            print(f"  {self.skipped[-1]}", file=sys.stderr, flush=True)
        elif code or not lines:
            err += f"\nstopped after {limit:g} s" * stopped
            self.failed.append({"command": name, "code": code, "error": err[-2000:]})
            print(f"{name}: FAILED\n{err[-2000:]}", file=sys.stderr, flush=True)
        else:
            first = lines[0]
            print(f"  {name}: {first['median']} {first['unit']} ({took:.0f} s)", file=sys.stderr, flush=True)
        self.lines += [dict(line, **facts) for line in lines]

    def nabla(self, work, threads=None):
        command = ["node", str(COMPILED), "--work", work]
        if work == "W11":  # through the crates: JavaScript has no name for a product alone
            command = ["cargo", "bench", "--quiet", "-p", "nabla-optim", "--bench", "primitives", "--"]
        if threads is None:
            return self.program(f"nabla {work}", command)
        how = f"sched_setaffinity to {threads} core(s)"
        self.program(f"nabla {work} threads={threads}", command + ["--threads", str(threads)], threads, how=how)

    def rival(self, command, variables):
        form = command[command.index("--form") + 1] if "--form" in command else "plain"
        label = [form] if "--form" in command else []
        if "--processes" in command:
            label.append(f"{command[command.index('--processes') + 1]} process(es)")
        full = [self.options.python, str(HERE / "rivals" / command[0]), *command[1:]]
        self.program(" ".join(command), full, None, variables, True, label=label, counted=form == "plain")


def compared(work):
    """The part of nabla that is divided by the rivals."""
    return "kernel" if work.startswith("W11") else COMPARED.get(work)


def merged(lines):
    """One row a library and part: the median of its runs' medians, the least of their minima."""
    rows = {}
    for line in lines:
        name = f"nabla, {line['part']}" if "library" in line else " ".join([line["rival"].split(",")[0], *line["label"]])
        key = (line["work"], line["threads"], name)
        rows.setdefault(key, []).append(line)
    return [
        {
            "work": work,
            "threads": threads,
            "name": name,
            "rival": runs[0].get("rival"),
            "nabla": "library" in runs[0],
            "part": runs[0].get("part"),
            "counted": runs[0].get("counted", False),
            "version": runs[0]["version"],
            "unit": runs[0]["unit"],
            "median": statistics.median(run["median"] for run in runs),
            "min": min(run["min"] for run in runs),
            "runs": len(runs),
            "data": runs[0].get("data"),
        }
        for (work, threads, name), runs in rows.items()
    ]


def add_ratios(rows):
    """nabla / rival by medians and by minima: of a nabla row to the fastest counted rival, of a rival row the compared nabla row to it."""
    for row in rows:
        same = [other for other in rows if (other["work"], other["threads"]) == (row["work"], row["threads"])]
        counted = [other for other in same if other["counted"]]
        own = [other for other in same if other["nabla"] and other["part"] == compared(row["work"])]
        if not counted or not own:
            continue
        fastest = min(counted, key=lambda other: other["median"])
        ours, theirs = (row, fastest) if row["nabla"] else (own[0], row)
        row["ratio"] = round(ours["median"] / theirs["median"], 3)
        row["ratio_of_minima"] = round(ours["min"] / theirs["min"], 3)
        row["fastest"] = row is fastest


def table(rows):
    print(f"\n{'':60}{'median':>10}{'min':>10}  unit       nabla / rival (of minima)")
    previous = None
    for row in sorted(rows, key=lambda row: (row["work"], -row["threads"], not row["nabla"], row["nabla"] or row["median"])):
        group = (row["work"], row["threads"])
        if group != previous:
            print(f"{row['work']}, {row['threads']} thread{'s' if row['threads'] > 1 else ''}")
            previous = group
        ratio = f"{row['ratio']:.2f} ({row['ratio_of_minima']:.2f})" if "ratio" in row else ""
        remark = "" if row["nabla"] else "  fastest" if row.get("fastest") else "" if row["counted"] else "  tuned, not counted"
        print(f"  {row['name']:58}{row['median']:10.4g}{row['min']:10.4g}  {row['unit']:<10} {ratio}{remark}")
    for work, threads in sorted({(row["work"], row["threads"]) for row in rows}):
        kinds = {row["data"] == "random" for row in rows if (row["work"], row["threads"]) == (work, threads) and row["data"]}
        if len(kinds) > 1:
            print(f"{work}, {threads}: NOT COMPARABLE, some ran on random data (is NABLA_DATA the folder with mnist/?)")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="interpreter that has the rivals (default: this one)")
    parser.add_argument("--only", action="append", default=[], choices=WORKS, help="a work; may be repeated")
    parser.add_argument("--threads", action="append", type=int, choices=(1, 2), help="default: 2, then 1")
    parser.add_argument("--rival", action="append", default=[], help="a rival's module: jax, torch, sklearn (default: all)")
    parser.add_argument("--rounds", type=int, default=2, help="how often everything is run (default: 2)")
    parser.add_argument("--quick", action="store_true", help="few repeats, one round: is it correct, not how fast")
    parser.add_argument("--limit", type=float, default=600, help="seconds one program may take")
    parser.add_argument("--rival-limit", type=float, default=240, help="seconds a rival may take, its compiler included (default: 240)")
    parser.add_argument("--out", type=pathlib.Path, help="file to write (default: results/<date>.json; with --quick none)")
    options = parser.parse_args()

    compile_works()
    session = Session(options)
    started = datetime.datetime.now(datetime.timezone.utc)
    report = {"started": started.isoformat(timespec="seconds"), "machine": machine(), "quick": options.quick}
    report["load_before"] = [round(load, 2) for load in os.getloadavg()]

    here = {
        module: subprocess.run([options.python, "-c", f"import {module}"], capture_output=True).returncode == 0
        for module in sorted({module for _, module, _, _ in rivals.PROGRAMS})
        if not options.rival or module in options.rival
    }
    session.skipped += [f"{module} is not installed in {options.python}" for module, found in here.items() if not found]
    counts = [threads for threads in options.threads or (2, 1) if threads <= len(session.cores)]
    for _ in range(1 if options.quick else options.rounds):
        for work in [work for work in WORKS if not options.only or work in options.only]:
            if work == "start":
                session.nabla(work)
                continue
            for threads in counts:
                # nabla before and after each rival: a machine that slows down or speeds up slows both
                session.nabla(work, threads)
                for of, module, command, variables in rivals.PROGRAMS:
                    if of == work and here.get(module) and command[command.index("--threads") + 1] == str(threads):
                        session.rival(command, variables)
                        session.nabla(work, threads)

    report["load_after"] = [round(load, 2) for load in os.getloadavg()]
    rows = merged(session.lines)
    add_ratios(rows)
    report.update(summary=rows, skipped=session.skipped, failed=session.failed, lines=session.lines)
    table(rows)
    for why in session.skipped:
        print(f"skipped: {why}")
    out = options.out or (None if options.quick else HERE / "results" / f"{started:%Y-%m-%dT%H%M}.json")
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
        biome = REPOSITORY / "node_modules" / "@biomejs" / "biome" / "bin" / "biome"
        subprocess.run(["node", str(biome), "format", "--write", str(out)], cwd=REPOSITORY, capture_output=True)
        print(f"wrote {out}")
    return 1 if session.failed else 0


if __name__ == "__main__":
    rivals.end_by_signals()
    sys.exit(main())
