"""W1a and W1b with PyTorch: MLP 784-128-10, each step gathers its batch and updates by fused Adam."""

import measuring

options = measuring.arguments(["W1a", "W1b"])

import torch  # noqa: E402

import torch_net as net  # noqa: E402

BATCH = {"W1a": 32, "W1b": 128}[options.work]
net.prepare(options)
features, labels, data = measuring.mnist()
x, y = torch.from_numpy(features), torch.from_numpy(labels).long()
steps = 150 if options.quick else 600
generator = torch.Generator().manual_seed(1)


def run(variant, repeats):
    one = net.Steps(variant, 784, 128, 10, "relu")
    losses = []

    def part(order):
        total = torch.zeros(())
        for batch in order:
            total += one.step(x[batch], y[batch])
        losses.append(float(total) / len(order))

    orders = [
        torch.randperm(len(y), generator=generator)[: steps * BATCH].split(BATCH) for _ in range(repeats + 1)
    ]
    part(orders.pop()[:100])
    return [s * 1e3 / len(orders[0]) for s in measuring.timed(lambda: part(orders.pop(0) if len(orders) > 1 else orders[0]), repeats)], losses


variants = ["fused", "hand"] if options.quick else ["fused", "hand", "compiled"]
if options.quick:
    net.check()
best, tried = measuring.best_variant(variants, lambda name: min(run(name, 1 if options.quick else 3)[0]))
times, losses = run(best, options.repeats or (3 if options.quick else 15))
if data == "mnist":
    assert losses[-1] < losses[0], losses
measuring.report(
    options, options.work, "PyTorch", torch.__version__, "ms a step", times,
    variant=best, tried=tried, data=data, batch=BATCH, steps=steps, loss=[round(losses[0], 4), round(losses[-1], 4)],
)
