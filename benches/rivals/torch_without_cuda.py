"""Lets PyPI's torch run on a CPU without its CUDA packages (saves 3–4 GB). Optional.

    pip install --no-deps torch==… && pip install -r requirements-torch.txt
    python torch_without_cuda.py

The wheel is linked against CUDA libraries that a CPU run never calls, yet the loader wants them.
This puts an empty library of each such name beside torch's own (every function answers "no
device"). torch's CPU code is untouched. Needs cc, nm and readelf. `pip install torch` does as well.
"""

import collections
import importlib.util
import pathlib
import re
import subprocess
import tempfile

spec = importlib.util.find_spec("torch")
folder = pathlib.Path(spec.origin).parent / "lib"
WANTED = re.compile(r"lib(cu[a-zA-Z]+|nccl|nvrtc|nvJitLink|nvshmem_host)\.so\.\d+$")
UNVERSIONED = {
    "libnccl": re.compile(r"(p?nccl)[A-Z]"),
    "libcufile": re.compile(r"cuFile"),
    "libcusparseLt": re.compile(r"cusparseLt"),
}


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


names, versions, functions = set(), collections.defaultdict(set), collections.defaultdict(set)
for library in folder.glob("lib*.so"):
    for name in re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-dW", library)):
        if WANTED.match(name):
            names.add(name)
    file = None
    for line in output("readelf", "-VW", library).splitlines():
        if found := re.search(r"Version: 1 +File: (\S+)", line):
            file = found[1]
        elif (found := re.search(r"^\s+\S+: +Name: (\S+) +Flags", line)) and file and WANTED.match(file):
            versions[file].add(found[1])
    for line in output("nm", "-D", "--undefined-only", "--with-symbol-versions", library).splitlines():
        symbol, _, version = line.split()[-1].partition("@")
        functions[version].add(symbol)

for name in sorted(names):
    if (folder / name).exists():
        continue
    source, script = [], []
    for version in sorted(versions[name]):
        own = sorted(functions[version])
        # 100 is cudaErrorNoDevice; the registration hooks (`__cuda…`) want 0
        source += [f"long {f}(void) {{ return {0 if f.startswith('__') else 100}; }}" for f in own]
        script.append(f"{version} {{ global: {' '.join(f + ';' for f in own)} }};")
    pattern = UNVERSIONED.get(name.split(".")[0])
    if pattern:
        source += [f"long {f}(void) {{ return 100; }}" for f in sorted(functions[""]) if pattern.match(f)]
    with tempfile.TemporaryDirectory() as temporary:
        c, map_file = pathlib.Path(temporary) / "stub.c", pathlib.Path(temporary) / "stub.map"
        c.write_text("\n".join(source) + "\n")
        command = ["cc", "-w", "-shared", "-fPIC", "-O1", "-fno-builtin", str(c), "-o", str(folder / name), f"-Wl,-soname,{name}"]
        if script:
            map_file.write_text("\n".join(script) + "\n")
            command.append(f"-Wl,--version-script={map_file}")
        subprocess.run(command, check=True)
    print(f"made {name}: {len(source)} functions")
