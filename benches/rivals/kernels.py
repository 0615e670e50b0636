"""W11 with NumPy (OpenBLAS) and PyTorch: products, element-wise functions over 10 million floats, an Adam step of 10 million parameters.

One line a row; `--library` says whose.
"""

import measuring

options = measuring.arguments(["W11"], extend=lambda parser: parser.add_argument("--library", choices=("numpy", "torch"), default="torch"))

import os  # noqa: E402

os.environ["OPENBLAS_NUM_THREADS"] = str(options.threads)

import numpy as np  # noqa: E402

PRODUCTS = ((32, 784, 128), (128, 784, 512), (512, 512, 512), (1024, 1024, 1024))
NUMBERS = 10_000_000
repeats = options.repeats or (5 if options.quick else 30)
rng = np.random.default_rng(1)


def normal(*shape):
    return rng.standard_normal(shape, dtype=np.float32)


def row(name, call, operations=0):
    """Times a call, many in a row where one is short, and reports the repeats in ms (and GFLOP/s of the median)."""
    call()
    once = min(measuring.timed(call, 3))
    many = max(1, int(0.01 / once))

    def loop():
        for _ in range(many):
            call()

    loop()
    times = [1e3 * seconds / many for seconds in measuring.timed(loop, repeats)]
    more = {"gflops": round(1e-6 * operations / sorted(times)[len(times) // 2], 1)} if operations else {}
    version = torch.__version__ if options.library == "torch" else np.__version__
    measuring.report(options, f"W11 {name}", LIBRARY, version, "ms", times, data="normal", **more)


if options.library == "numpy":
    LIBRARY = "NumPy, OpenBLAS"
    for m, k, n in PRODUCTS:
        a, b, c = normal(m, k), normal(k, n), np.empty((m, n), np.float32)
        row(f"sgemm {m}x{k}x{n}", lambda: np.matmul(a, b, out=c), 2 * m * k * n)
    x, y = normal(NUMBERS), np.empty(NUMBERS, np.float32)
    for name, function in (("tanh", np.tanh), ("exp", np.exp), ("copy", np.positive)):
        row(f"{name} 10M", lambda: function(x, out=y))
else:
    import torch

    import torch_net as net

    LIBRARY = "PyTorch"
    net.prepare(options)
    for m, k, n in PRODUCTS:
        a, b, c = (torch.from_numpy(v) for v in (normal(m, k), normal(k, n), normal(m, n)))
        row(f"sgemm {m}x{k}x{n}", lambda: torch.mm(a, b, out=c), 2 * m * k * n)
    x, y = torch.from_numpy(normal(NUMBERS)), torch.empty(NUMBERS)
    gelu = torch.ops.aten.gelu.out
    for name, call in (
        ("tanh", lambda: torch.tanh(x, out=y)),
        ("exp", lambda: torch.exp(x, out=y)),
        ("gelu", lambda: gelu(x, out=y)),
        ("sigmoid", lambda: torch.sigmoid(x, out=y)),
        ("copy", lambda: y.copy_(x)),
    ):
        row(f"{name} 10M", call)
    third = torch.from_numpy(normal(NUMBERS))
    row("triad 10M", lambda: torch.add(x, third, alpha=3.0, out=y))
    for name, make in (
        ("adam", lambda p: torch.optim.Adam([p], fused=True)),
        ("adam amsgrad", lambda p: torch.optim.Adam([p], amsgrad=True, fused=True)),
        ("adamw", lambda p: torch.optim.AdamW([p], fused=True)),
        ("sgd", lambda p: torch.optim.SGD([p], lr=1e-3, fused=True)),
        ("sgd momentum", lambda p: torch.optim.SGD([p], lr=1e-3, momentum=0.9, fused=True)),
        ("adagrad", lambda p: torch.optim.Adagrad([p], fused=True)),
    ):
        p = torch.nn.Parameter(torch.from_numpy(normal(NUMBERS)))
        p.grad = torch.from_numpy(normal(NUMBERS))
        row(f"{name} 10M", make(p).step)
