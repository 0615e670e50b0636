"""W4 and W5 with PyTorch: a character LSTM and a small transformer; each step gathers its batch, forward, backward, update."""

import measuring

options = measuring.arguments(["W4", "W5"])

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

import torch_net as net  # noqa: E402

BATCH, VOCABULARY = 32, 65
LENGTH = {"W4": 50, "W5": 64}[options.work]
net.prepare(options)
windows, targets, data = measuring.characters(LENGTH)
x, y = torch.from_numpy(windows).long(), torch.from_numpy(targets).long()
steps = 10 if options.quick else {"W4": 100, "W5": 30}[options.work]
generator = torch.Generator().manual_seed(1)


class Characters(torch.nn.Module):
    """Embedding 65→64, LSTM 128, dense 65 a step."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(VOCABULARY, 64)
        self.lstm = torch.nn.LSTM(64, 128, batch_first=True)
        self.dense = torch.nn.Linear(128, VOCABULARY)

    def forward(self, x):
        return self.dense(self.lstm(self.embedding(x))[0])


class Block(torch.nn.Module):
    """Pre-norm: attention of four heads, then 128 → 512 → 128 with GELU."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
        self.qkv, self.out = torch.nn.Linear(width, 3 * width), torch.nn.Linear(width, width)
        self.inner, self.back = torch.nn.Linear(width, 4 * width), torch.nn.Linear(4 * width, width)

    def forward(self, x):
        rows, time, width = x.shape
        parts = self.qkv(self.norm1(x)).view(rows, time, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(parts[0], parts[1], parts[2], is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(rows, time, width))
        return x + self.back(F.gelu(self.inner(self.norm2(x))))


class Transformer(torch.nn.Module):
    """Vocabulary 65, width 128, two blocks, causal, 64 characters."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(VOCABULARY, 128)
        self.positions = torch.nn.Parameter(torch.empty(LENGTH, 128).uniform_(-0.05, 0.05))
        self.blocks = torch.nn.Sequential(Block(128, 4), Block(128, 4), torch.nn.LayerNorm(128))
        self.dense = torch.nn.Linear(128, VOCABULARY)

    def forward(self, x):
        return self.dense(self.blocks(self.embedding(x) + self.positions))


def run(variant, repeats):
    torch.manual_seed(0)
    model = {"W4": Characters, "W5": Transformer}[options.work]()
    parameters = list(model.parameters())
    optimizer = {"W4": torch.optim.Adam, "W5": torch.optim.AdamW}[options.work](parameters, lr=1e-3, fused=True)
    forward = torch.compile(model) if variant == "compiled" else model
    losses = []

    def epoch():
        total = torch.zeros(())
        order = torch.randperm(len(y), generator=generator)[: steps * BATCH]
        for batch in order.split(BATCH):
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(forward(x[batch]).flatten(0, 1), y[batch].flatten())
            loss.backward()
            if options.work == "W4":
                torch.nn.utils.clip_grad_norm_(parameters, 1.0, foreach=True)
            optimizer.step()
            total += loss.detach()
        losses.append(float(total) / steps)

    epoch()
    return [s * 1e3 / steps for s in measuring.timed(epoch, repeats)], losses


variants = ["fused"] if options.quick else ["fused", "compiled"]
best, tried = measuring.best_variant(variants, lambda name: min(run(name, 1 if options.quick else 3)[0]))
times, losses = run(best, options.repeats or (3 if options.quick else 15))
if data == "tinyshakespeare":
    assert losses[-1] < losses[0], losses
measuring.report(
    options, options.work, "PyTorch", torch.__version__, "ms a step", times,
    variant=best, tried=tried, data=data, batch=BATCH, steps=steps, loss=[round(losses[0], 4), round(losses[-1], 4)],
)
