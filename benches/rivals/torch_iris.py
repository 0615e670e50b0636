"""W6 with PyTorch: MLP 4-16-3 tanh on iris, batch 16 (the last of six rows), Adam, 100 epochs.

Timed: making the network and the optimizer, the shuffles and the fit.
"""

import measuring

options = measuring.arguments(["W6"])

import torch  # noqa: E402

import torch_net as net  # noqa: E402

EPOCHS, BATCH = 100, 16
net.prepare(options)
features, labels, data = measuring.tabular("iris")
x = torch.from_numpy((features - features.mean(0)) / features.std(0))
y = torch.from_numpy(labels).long()
generator = torch.Generator().manual_seed(1)
kept = {}


def fit(variant):
    one = net.Steps(variant, 4, 16, 3, "tanh")
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(y), generator=generator).split(BATCH):
            one.step(x[batch], y[batch])
    kept["model"] = one.model


def run(variant, repeats):
    fit(variant)
    return [s * 1e3 for s in measuring.timed(lambda: fit(variant), repeats)]


if options.quick:
    net.check()
best, tried = measuring.best_variant(["plain", "fused", "hand"], lambda name: min(run(name, 1 if options.quick else 3)))
times = run(best, options.repeats or (3 if options.quick else 15))
with torch.no_grad():
    reached = float((kept["model"](x).argmax(1) == y).float().mean())
assert reached > 0.9, reached
measuring.report(
    options, "W6", "PyTorch", torch.__version__, "ms", times,
    variant=best, tried=tried, data=data, accuracy=round(reached, 4),
)
