"""Peak memory of a training process on W3, nabla's and PyTorch's, in MB: `python3 benches/memory.py --python <interpreter with torch>`.

The largest resident size of the whole process, library and data included, after a few epochs. PyTorch runs as installed, without the
malloc settings that make it keep memory.
"""

import argparse
import os
import pathlib
import sys

import compare

HERE = pathlib.Path(__file__).resolve().parent


def peak(*command):
    process = os.posix_spawnp(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
    _, status, usage = os.wait4(process, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed")
    return usage.ru_maxrss / 1024


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--python", default=sys.executable, help="interpreter that has torch (default: this one)")
parser.add_argument("--threads", default="2", choices=("1", "2"))
options = parser.parse_args()
compare.compile_works()
common = ("--work", "W3", "--threads", options.threads, "--quick")
ours = peak("node", str(compare.COMPILED), *common)
theirs = peak(options.python, str(HERE / "rivals" / "torch_networks.py"), *common)
empty = peak("node", "-e", "0"), peak(options.python, "-c", "import torch")
print(f"nabla   {ours:7.0f} MB, of them empty Node {empty[0]:.0f}")
print(f"PyTorch {theirs:7.0f} MB, of them its import {empty[1]:.0f}")
print(f"nabla / PyTorch {ours / theirs:.2f}")
