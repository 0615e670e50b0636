"""W9 and W10 with PyTorch: the W1a network's probabilities of one row, and of 1,024 rows."""

import measuring

options = measuring.arguments(["W9", "W10"])

import torch  # noqa: E402

import torch_net as net  # noqa: E402

net.prepare(options)
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10), torch.nn.Softmax(1)).eval()
rows = {"W9": 1, "W10": 1024}[options.work]
x = torch.rand(rows, 784)
many = max(1, 2048 // rows)
repeats = options.repeats or (5 if options.quick else 50)


def run(variant, repeats):
    forward = torch.jit.freeze(torch.jit.trace(model, x)) if variant == "traced" else model

    def loop():
        with torch.inference_mode():
            for _ in range(many):
                forward(x)

    loop()
    return [seconds / many for seconds in measuring.timed(loop, repeats)]


best, tried = measuring.best_variant(["plain", "traced"], lambda name: min(run(name, 5)))
times = run(best, repeats)
unit, factor = ("µs", 1e6) if rows == 1 else ("ms", 1e3)
measuring.report(
    options, options.work, "PyTorch", torch.__version__, unit, [factor * s for s in times], variant=best, tried=tried, data="random", batch=rows,
)
