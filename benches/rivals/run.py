"""Runs every rival program, one after another, and writes one JSON file. See README.md."""

import argparse
import ctypes
import datetime
import json
import os
import pathlib
import platform
import signal
import subprocess
import sys
import time

import measuring

BIG_MALLOC = {
    # keep freed memory: otherwise PyTorch's large tensors fault their pages in anew each step
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "67108864",
}

# work, module it needs, command, variables to set
PROGRAMS = []
for work in ("W1a", "W1b"):
    for threads in ("2", "1"):
        PROGRAMS.append((work, "jax", ["jax_mlp.py", "--work", work, "--threads", threads], {}))
        PROGRAMS.append((work, "torch", ["torch_mlp.py", "--work", work, "--threads", threads], BIG_MALLOC))
for work in ("W4", "W5"):
    for threads in ("2", "1"):
        PROGRAMS.append((work, "jax", ["jax_sequences.py", "--work", work, "--threads", threads], {}))
        PROGRAMS.append((work, "torch", ["torch_sequences.py", "--work", work, "--threads", threads], BIG_MALLOC))
for work in ("W9", "W10"):
    for threads in ("2", "1"):
        PROGRAMS.append((work, "torch", ["torch_predict.py", "--work", work, "--threads", threads], BIG_MALLOC))
for threads in ("2", "1"):
    for library, module in (("numpy", "numpy"), ("torch", "torch")):
        PROGRAMS.append(("W11", module, ["kernels.py", "--library", library, "--threads", threads], BIG_MALLOC))
for threads in ("2", "1"):
    for form in ("plain", "tuned", "flag"):
        PROGRAMS.append(("W6", "jax", ["jax_iris.py", "--threads", threads, "--form", form], {}))
    PROGRAMS.append(("W6", "torch", ["torch_iris.py", "--threads", threads], BIG_MALLOC))
for threads, processes in (("2", "2"), ("2", "1"), ("1", "1")):
    PROGRAMS.append(("W7", "jax", ["jax_cv.py", "--threads", threads, "--processes", processes], {}))
for work in ("W1c", "W2", "W3"):
    for threads in ("2", "1"):
        PROGRAMS.append((work, "torch", ["torch_networks.py", "--work", work, "--threads", threads], BIG_MALLOC))
        PROGRAMS.append((work, "jax", ["jax_networks.py", "--work", work, "--threads", threads], {}))
for work in ("W9c", "W10c"):
    for threads in ("2", "1"):
        PROGRAMS.append((work, "torch", ["torch_networks.py", "--work", work, "--threads", threads], BIG_MALLOC))
for threads in ("2", "1"):
    PROGRAMS.append(("W8", "sklearn", ["sklearn_search.py", "--threads", threads], {}))
    PROGRAMS.append(("W8", "optuna", ["optuna_search.py", "--threads", threads], {}))
for threads in ("2", "1"):
    PROGRAMS.append(("W7", "sklearn", ["sklearn_cv.py", "--threads", threads], {}))

for work, module in (("W12a", "numpy"), ("W12b", "sklearn"), ("W12c", "sklearn"), ("W12d", "pandas")):
    for threads in ("2", "1"):
        PROGRAMS.append((work, module, ["sklearn_data.py", "--work", work, "--threads", threads], {}))


def end_with_parent():
    """In a child: it ends when its parent is gone, however that came about (Linux; elsewhere nothing)."""
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    except (AttributeError, OSError):
        pass


def end_by_signals():
    """Ended from outside, a runner ends what it started: a program left running would spoil what is timed next."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))


def run_program(command, environment, limit):
    """Output, errors, exit code, and whether it was stopped after `limit` seconds: it ends with its workers, whatever ends the runner."""
    # a group of its own, so that workers can be ended with it
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=end_with_parent,
    )
    stopped = False
    try:
        out, err = process.communicate(timeout=limit)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        stopped = isinstance(error, subprocess.TimeoutExpired)
        if not stopped:
            raise
    return out, err, process.returncode, stopped


def processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return {"model": platform.processor()}
    facts = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    flags = facts.get("flags", "").split()
    return {
        "model": facts.get("model name"),
        "family": facts.get("cpu family"),
        "number": facts.get("model"),
        "simd": [flag for flag in ("avx2", "fma", "avx512f") if flag in flags],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="rivals.json", help="file to write (default: rivals.json)")
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help="a work or a module: W6, jax, …")
    parser.add_argument("--quick", action="store_true", help="few repeats: is it correct, not how fast")
    parser.add_argument("--python", default=sys.executable, help="interpreter that has the rivals")
    parser.add_argument("--limit", type=float, default=600, help="seconds one program may take")
    options = parser.parse_args()

    available = {}
    report = {
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "quick": options.quick,
        "load_before": [round(load, 2) for load in os.getloadavg()],
        "results": [],
        "skipped": [],
        "failed": [],
    }
    for work, module, command, variables in PROGRAMS:
        if options.only and not {work, module}.intersection(options.only):
            continue
        name = " ".join(command)
        if module not in available:
            test = [options.python, "-c", f"import {module}"]
            available[module] = subprocess.run(test, capture_output=True).returncode == 0
        threads = int(command[command.index("--threads") + 1])
        if not available[module] or threads > report["cores"]:
            why = "too few cores" if available[module] else f"{module} is not installed"
            report["skipped"].append({"command": name, "why": why})
            print(f"{name}: skipped, {why}", flush=True)
            continue
        environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", **variables)
        measuring.unrestrict(environment)
        command = [options.python, str(measuring.HERE / command[0]), *command[1:]]
        start = time.perf_counter()
        out, err, code, stopped = run_program(command + ["--quick"] * options.quick, environment, options.limit)
        if stopped:
            err += f"\nstopped after {options.limit} s"
        took = round(time.perf_counter() - start, 1)
        lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        report["results"] += lines
        for line in lines:
            print(f"{name}: {line['median']} {line['unit']} (min {line['min']}), {took} s in all", flush=True)
        if code or not lines:
            report["failed"].append({"command": name, "code": code, "error": err[-2000:]})
            print(f"{name}: FAILED\n{err[-2000:]}", flush=True)
    report["load_after"] = [round(load, 2) for load in os.getloadavg()]

    # the fastest rival of each work and number of threads: what nabla is divided by
    fastest = {}
    for line in report["results"]:
        key = f"{line['work']} threads={line['threads']}"
        if key not in fastest or line["median"] < fastest[key]["median"]:
            fastest[key] = {k: line[k] for k in ("rival", "median", "min", "unit", "variant") if k in line}
    report["fastest"] = fastest
    pathlib.Path(options.out).write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    print(f"wrote {options.out}")
    return 1 if report["failed"] else 0


if __name__ == "__main__":
    end_by_signals()
    sys.exit(main())
