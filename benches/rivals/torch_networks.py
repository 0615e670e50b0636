"""W1c, W2, W3 with PyTorch (a training step, gathering its batch included) and W9c, W10c (prediction of 1 and 1,024 rows with the CNN of W2).

W1c: MLP 784-512-512-10, batch 128, Adam. W2: CNN on 28×28×1, batch 64, Adam. W3: ResNet on 32×32×3, batch 64, momentum.
Variants: channels last or not, with and without torch.compile; optimizers fused.
"""

import measuring

options = measuring.arguments(["W1c", "W2", "W3", "W9c", "W10c"])

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

import torch_net as net  # noqa: E402

net.prepare(options)
work = options.work
training = work in ("W1c", "W2", "W3")
BATCH = {"W1c": 128, "W9c": 1, "W10c": 1024}.get(work, 64)


class Block(nn.Module):
    def __init__(self, before, filters, stride):
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(before, filters, 3, stride, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU(),
            nn.Conv2d(filters, filters, 3, 1, 1, bias=False), nn.BatchNorm2d(filters),
        )
        self.shortcut = nn.Identity()
        if stride > 1:
            self.shortcut = nn.Sequential(nn.Conv2d(before, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))

    def forward(self, x):
        return F.relu(self.shortcut(x) + self.branch(x))


def network():
    if work == "W1c":
        return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    if work == "W3":
        return nn.Sequential(
            nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
            Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
        )
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10),
    )


if work == "W3":
    generator = np.random.default_rng(0)
    features, data = generator.random((2560, 3, 32, 32), dtype=np.float32), "random"
    labels = generator.integers(0, 10, 2560)
else:
    features, labels, data = measuring.mnist()
    features, labels = features[:6400], labels[:6400]
    if work != "W1c":
        features = features.reshape(-1, 1, 28, 28)
x, y = torch.from_numpy(features), torch.from_numpy(np.asarray(labels)).long()
order = torch.Generator().manual_seed(1)


def made(variant):
    torch.manual_seed(0)
    model = network()
    if "channels last" in variant:
        model = model.to(memory_format=torch.channels_last)
        return model, x.to(memory_format=torch.channels_last)
    return model, x


def steps(variant, repeats):
    model, images = made(variant)
    parameters = list(model.parameters())
    if work == "W3":
        optimizer = torch.optim.SGD(parameters, 0.05, momentum=0.9, fused=True)
    else:
        optimizer = torch.optim.Adam(parameters, fused=True)

    def loss_of(a, b):
        return F.cross_entropy(model(a), b)

    loss_of = torch.compile(loss_of) if "compiled" in variant else loss_of
    losses = []

    def epoch(count=None):
        total, batches = torch.zeros(()), torch.randperm(len(y), generator=order).split(BATCH)[:count]
        for batch in batches:
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(images[batch], y[batch])
            loss.backward()
            optimizer.step()
            total += loss.detach()
        losses.append(float(total) / len(batches))

    epoch(3)
    return [s * 1e3 / (len(y) // BATCH) for s in measuring.timed(epoch, repeats)], losses


@torch.inference_mode()
def predictions(variant, repeats):
    model, images = made(variant)
    model.eval()
    model = torch.compile(model) if "compiled" in variant else model
    batch = images[:BATCH]
    for _ in range(3):
        model(batch)
    count = 200 if BATCH == 1 else 3

    def several():
        for _ in range(count):
            model(batch)

    return [s / count * (1e6 if BATCH == 1 else 1e3) for s in measuring.timed(several, repeats)], []


run = steps if training else predictions
variants = ["plain"] if work == "W1c" else ["plain", "channels last"]
if not options.quick:
    variants += [f"{variant}, compiled" for variant in list(variants)]
best, tried = measuring.best_variant(variants, lambda name: min(run(name, 1 if options.quick else 2)[0]))
times, losses = run(best, options.repeats or (2 if options.quick else 8))
if data == "mnist" and training:
    assert losses[-1] < losses[0], losses
unit = {"W9c": "µs", "W10c": "ms"}.get(work, "ms a step")
measuring.report(
    options, work, "PyTorch", torch.__version__, unit, times,
    variant=best, tried=tried, data=data, batch=BATCH, loss=[round(loss, 4) for loss in losses[:: max(1, len(losses) - 1)]],
)
