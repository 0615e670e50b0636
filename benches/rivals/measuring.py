"""What every rival program shares: arguments, data, timing, the line it prints.

Import this before jax, torch, numpy or sklearn: `arguments()` restricts the process to the
asked number of cores, and the libraries size their thread pools when they are first imported.
"""

import argparse
import csv
import gzip
import json
import os
import pathlib
import struct
import time

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent

# Variables that force OpenBLAS onto an older kernel and so would slow a rival.
RESTRICTING = (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "OPENBLAS_NUM_THREADS",
    "NVPL_BLAS_DEBUG_CPU_TYPE",
)


def unrestrict(environment):
    for name in RESTRICTING:
        environment.pop(name, None)


unrestrict(os.environ)


def arguments(works, threads=(1, 2), extend=None):
    """Parses the command line and pins the process to `--threads` cores."""
    parser = argparse.ArgumentParser()
    if extend:
        extend(parser)
    parser.add_argument("--work", choices=works, default=works[0])
    parser.add_argument("--threads", type=int, choices=threads, default=max(threads))
    parser.add_argument("--quick", action="store_true", help="few repeats: is it correct, not how fast")
    parser.add_argument("--repeats", type=int, help="timed repeats of the whole work")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < options.threads:
        parser.error(f"{options.threads} threads asked for, {len(cores)} cores allowed")
    options.cores = cores[: options.threads]
    os.sched_setaffinity(0, options.cores)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(options.threads)
    options.how = f"sched_setaffinity to {options.threads} core(s)"
    return options


def add_xla_flags(flags):
    os.environ["XLA_FLAGS"] = (os.environ.get("XLA_FLAGS", "") + " " + flags).strip()


# Makes XLA compile a whole small loop into one function instead of a list of operators. JAX has no
# documented switch for it; it is left off unless a program is asked for it.
WHOLE_LOOP = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=100000000"


def jax_options(works, forms, extend=None):
    """Arguments of a JAX program: `--form` says how far it is tuned (`FORMS`)."""

    def also(parser):
        parser.add_argument("--form", choices=forms, default=forms[0])
        if extend:
            extend(parser)

    options = arguments(works, extend=also)
    options.given_flags = os.environ.get("XLA_FLAGS", "")
    if options.threads == 1:
        add_xla_flags("--xla_cpu_multi_thread_eigen=false")
    if options.form == "flag":
        add_xla_flags(WHOLE_LOOP)
    if os.environ.get("XLA_FLAGS"):
        options.how += ", XLA_FLAGS=" + os.environ["XLA_FLAGS"]
    return options


FORMS = {
    "plain": "as a user writes it",
    "tuned": "gradient by hand or products as sums",
    "flag": "the same, with XLA's undocumented small-loop option",
}


def report(options, work, rival, version, unit, times, **more):
    """Prints the one JSON line that run.py collects. `times` are in `unit`, one a repeat."""
    ordered = sorted(times)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    line = {
        "work": work,
        "rival": rival,
        "version": version,
        "threads": options.threads,
        "unit": unit,
        "median": round(median, 5),
        "min": round(ordered[0], 5),
        "repeats": len(ordered),
        "how": options.how,
    }
    line.update(more)
    print(json.dumps(line), flush=True)


def timed(call, repeats):
    """Seconds of each of `repeats` calls."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


def best_variant(variants, measure):
    """Measures each variant, returns the fastest one's name and what all of them took."""
    tried = {}
    for name in variants:
        try:
            tried[name] = measure(name)
        except Exception as error:  # a variant that this version cannot run is no candidate
            tried[name] = f"failed: {type(error).__name__}: {str(error)[:120]}"
    runnable = {name: took for name, took in tried.items() if isinstance(took, float)}
    if not runnable:
        raise RuntimeError(f"no variant ran: {tried}")
    best = min(runnable, key=runnable.get)
    shown = {name: round(took, 5) if isinstance(took, float) else took for name, took in tried.items()}
    return best, shown


def _data_folders(kind):
    given = os.environ.get("NABLA_DATA")
    if given:
        yield pathlib.Path(given)
        yield pathlib.Path(given) / kind
        yield pathlib.Path(given).parent / kind
    if kind == "tabular":
        yield REPOSITORY / "datasets"


def _idx(folder, name):
    import numpy as np

    for path, opener in ((folder / name, open), (folder / f"{name}.gz", gzip.open)):
        if path.exists():
            with opener(path, "rb") as file:
                raw = file.read()
            dimensions = raw[3]
            shape = struct.unpack_from(f">{dimensions}I", raw, 4)
            return np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
    return None


def mnist():
    """60,000 × 784 float32 in 0–1, labels int32, and where they are from."""
    import numpy as np

    for folder in _data_folders("mnist"):
        images = _idx(folder, "train-images-idx3-ubyte")
        labels = _idx(folder, "train-labels-idx1-ubyte")
        if images is not None and labels is not None:
            features = images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
            return features, labels.astype(np.int32), "mnist"
    generator = np.random.default_rng(0)
    features = generator.random((60000, 784), dtype=np.float32)
    return features, generator.integers(0, 10, 60000).astype(np.int32), "random"


def characters(length, count=3200):
    """`count` windows of `length` characters as indices below 65, the characters after them, and where they are from."""
    import numpy as np

    for folder in _data_folders("text"):
        path = folder / "tinyshakespeare.txt"
        if path.exists():
            text = np.frombuffer(path.read_bytes()[: count * length + 1], np.uint8)
            _, codes = np.unique(text, return_inverse=True)
            source = "tinyshakespeare"
            break
    else:
        codes, source = np.random.default_rng(0).integers(0, 65, count * length + 1), "random"
    cut = codes[:-1].reshape(count, length), codes[1:].reshape(count, length)
    return cut[0].astype(np.int32), cut[1].astype(np.int32), source


def tabular(name):
    """Features float32 and class numbers int32 of `iris` or `digits`."""
    import numpy as np

    for folder in _data_folders("tabular"):
        path = folder / f"{name}.csv"
        if path.exists():
            with open(path, newline="") as file:
                rows = list(csv.reader(file))[1:]
            features = np.array([row[:-1] for row in rows], dtype=np.float32)
            _, labels = np.unique([row[-1] for row in rows], return_inverse=True)
            return features, labels.astype(np.int32), f"{name}.csv"
    from sklearn import datasets  # the same rows

    data = getattr(datasets, f"load_{name}")()
    return data.data.astype(np.float32), data.target.astype(np.int32), f"sklearn.datasets.load_{name}"
