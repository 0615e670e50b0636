"""How W1c, W2, W3, W4 and W5 scale from one thread to two, beside what the machine allows in the same run.

    python3 benches/scaling.py [--rounds 3] [--only W1c] [--out file.json]

After `npm run build`, on two cores free of other work, with `NABLA_DATA`. Measured in turn, each on as many cores as threads: fused
multiply-adds on registers and a triad over 120 MB (the two limits), then each work. What a work may reach is
T / ((T - m)/s_fma + m/s_triad): T its step on one thread, m the part of it that moving its bytes takes at the triad's speed on one thread
(each operator's inputs and outputs once, and the optimizer's passes, as `operators` prints them), s how the limits scale. Bytes that stay in
a cache are counted as if they came from memory, so this is a floor of what is allowed. The last column is the share of it; the bar is 0.9.
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys

import compare
import run as rivals  # on the path by compare

WORKS = ("W1c", "W2", "W3", "W4", "W5")
MOVED_BY_TRIAD = 3 * 4 * 10  # MB: two read, one written


def lines_of(command, threads):
    """The JSON lines of a program on so many cores."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:threads])
    try:
        out, err, code, stopped = rivals.run_program(command, dict(os.environ), 600)
    finally:
        os.sched_setaffinity(0, cores)
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    if code or stopped or not lines:
        sys.exit(f"{' '.join(command)} failed\n{err[-2000:]}")
    return lines


def moved():
    """MB that a step of each work moves, and its operators' ms on one thread."""
    command = ["cargo", "bench", "--quiet", "-p", "nabla-graph", "--bench", "operators", "--", *WORKS]
    out = subprocess.run(command, cwd=compare.REPOSITORY, env=dict(os.environ, REPEATS="2"), capture_output=True, text=True).stdout
    return {work: float(mb) for work, mb in re.findall(r"^(\w+): [\d.]+ ms a step, moves ([\d.]+) MB", out, re.M)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is run, one thread and two in turn (default: 3)")
    parser.add_argument("--only", action="append", default=[], choices=WORKS, help="a work; may be repeated")
    parser.add_argument("--quick", action="store_true", help="few repeats: does it run")
    parser.add_argument("--out", type=pathlib.Path, help="file to write (default: results/<date>-scaling.json; with --quick none)")
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("two cores are needed")
    os.chdir(compare.REPOSITORY)
    compare.compile_works()
    started = datetime.datetime.now(datetime.timezone.utc)
    report = {"started": started.isoformat(timespec="seconds"), "machine": compare.machine(), "quick": options.quick}
    report["load_before"] = [round(load, 2) for load in os.getloadavg()]
    works = [work for work in WORKS if not options.only or work in options.only]
    megabytes = moved()
    primitives = ["cargo", "bench", "--quiet", "-p", "nabla-optim", "--bench", "primitives", "--", "--only", "fma,triad"]
    quick = ["--quick"] * options.quick
    times = {}
    for _ in range(1 if options.quick else options.rounds):
        for threads in (1, 2):
            for line in lines_of([*primitives, *quick, "--threads", str(threads)], threads):
                # fused multiply-adds are as many a thread, a triad is shared
                per = threads if line["work"].endswith("fma") else 1
                times.setdefault((line["work"].split()[1], threads), []).append(line["median"] / per)
        for work in works:
            for threads in (1, 2):
                command = ["node", str(compare.COMPILED), "--work", work, *quick, "--threads", str(threads)]
                times.setdefault((work, threads), []).append(lines_of(command, threads)[0]["median"])
    report["load_after"] = [round(load, 2) for load in os.getloadavg()]
    middle = {key: statistics.median(values) for key, values in times.items()}
    scaling = {name: middle[name, 1] / middle[name, 2] for name, threads in middle if threads == 1}
    bandwidth = MOVED_BY_TRIAD / middle["triad", 1]  # GB/s = MB/ms
    rows = []
    for name in ("fma", "triad", *works):
        row = {"name": name, "one": middle[name, 1], "two": middle[name, 2], "scaling": scaling[name]}
        if name in works:
            memory = min(row["one"], megabytes[name] / bandwidth)
            allowed = row["one"] / ((row["one"] - memory) / scaling["fma"] + memory / scaling["triad"])
            row |= {"megabytes": megabytes[name], "allowed": allowed, "share": scaling[name] / allowed}
        rows.append({key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()})
    print(f"{'':8}{'1 thread':>10}{'2 threads':>11}  ms   scaling   allowed   share")
    for row in rows:
        limits = f"{row['allowed']:9.2f}{row['share']:9.2f}" if "share" in row else ""
        print(f"{row['name']:8}{row['one']:10.4g}{row['two']:11.4g}{row['scaling']:14.2f}{limits}")
    out = options.out or (None if options.quick else compare.HERE / "results" / f"{started:%Y-%m-%dT%H%M}-scaling.json")
    if out:
        report.update(rows=rows, times={f"{name}, {threads}": values for (name, threads), values in times.items()})
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
        biome = compare.REPOSITORY / "node_modules" / "@biomejs" / "biome" / "bin" / "biome"
        subprocess.run(["node", str(biome), "format", "--write", str(out)], cwd=compare.REPOSITORY, capture_output=True)
        print(f"wrote {out}")
    return int(any(row.get("share", 1) < 0.9 for row in rows))


if __name__ == "__main__":
    rivals.end_by_signals()
    sys.exit(main())
