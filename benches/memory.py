"""Peak memory of training W3, nabla's and PyTorch's: `python3 benches/memory.py --python <interpreter with torch>`.

The largest resident size of the whole process after a few epochs (`peak`), of the same runtime with its library loaded and nothing done
(`loaded`), and their difference: data, weights, and what training needs. PyTorch runs as installed and eagerly, without the malloc settings
that make it keep memory; the data set is 31 MB on either side. Exit code 1 where nabla's difference is the larger one.
"""

import argparse
import os
import pathlib
import sys

import compare

HERE = pathlib.Path(__file__).resolve().parent
LIBRARY = "import { norm } from 'nabla'; norm(new Float64Array([3, 4]), 2)"


def peak(*command):
    """MB of a process from start to exit."""
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=silent)
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_maxrss / 1024  # Linux counts in KB


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="interpreter that has torch (default: this one)")
    parser.add_argument("--threads", default="2", choices=("1", "2"))
    options = parser.parse_args()
    compare.compile_works()
    os.chdir(compare.REPOSITORY)
    common = ("--work", "W3", "--threads", options.threads, "--quick")
    found = {}
    for name, loaded, training in (
        ("nabla", ("node", "--input-type=module", "-e", LIBRARY), ("node", str(compare.COMPILED), *common)),
        ("PyTorch", (options.python, "-c", "import torch"), (options.python, str(HERE / "rivals" / "torch_networks.py"), *common)),
    ):
        before, most = peak(*loaded), peak(*training)
        found[name] = most - before
        print(f"{name:8} peak {most:6.0f} MB, loaded {before:6.0f} MB, training {found[name]:6.0f} MB", flush=True)
    ratio = found["nabla"] / found["PyTorch"]
    print(f"nabla / PyTorch {ratio:.2f}")
    return int(ratio > 1)


if __name__ == "__main__":
    sys.exit(main())
