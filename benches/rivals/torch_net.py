"""The step of a network of one hidden layer with PyTorch, in the forms worth trying on a CPU."""

import os

import torch
import torch.nn.functional as F


class Steps:
    """`fused` and `plain` Adam with autograd, `compiled` (torch.compile of the network and loss)
    and `hand` (the derivative written out without autograd), both with fused Adam."""

    def __init__(self, variant, inputs, hidden, outputs, activation):
        torch.manual_seed(0)
        self.model = torch.nn.Sequential(
            torch.nn.Linear(inputs, hidden),
            {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[activation](),
            torch.nn.Linear(hidden, outputs),
        )
        for layer in (self.model[0], self.model[2]):
            torch.nn.init.xavier_uniform_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
        self.activation = activation
        self.parameters = list(self.model.parameters())
        if variant == "plain":
            self.optimizer = torch.optim.Adam(self.parameters)
        else:
            self.optimizer = torch.optim.Adam(self.parameters, fused=True)

        def loss(x, y):
            return F.cross_entropy(self.model(x), y)

        self.loss = torch.compile(loss) if variant == "compiled" else loss
        self.step = self.by_hand if variant == "hand" else self.by_autograd

    def by_autograd(self, x, y):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(x, y)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    @torch.no_grad()
    def by_hand(self, x, y):
        w1, b1, w2, b2 = self.parameters
        hidden = torch.addmm(b1, x, w1.t())
        hidden = hidden.relu_() if self.activation == "relu" else hidden.tanh_()
        dz = torch.log_softmax(torch.addmm(b2, hidden, w2.t()), 1)
        rows = y[:, None]
        loss = -dz.gather(1, rows).mean()
        dz = dz.exp_().scatter_add_(1, rows, torch.full_like(rows, -1, dtype=dz.dtype)).div_(len(y))
        dh = dz @ w2
        if self.activation == "relu":
            dh = torch.ops.aten.threshold_backward(dh, hidden, 0)
        else:
            dh = torch.ops.aten.tanh_backward(dh, hidden)
        w1.grad, b1.grad, w2.grad, b2.grad = dh.t() @ x, dh.sum(0), dz.t() @ hidden, dz.sum(0)
        self.optimizer.step()
        return loss


def prepare(options):
    torch.set_num_threads(options.threads)
    torch.set_num_interop_threads(1)
    torch.set_flush_denormal(True)
    options.how += f", torch.set_num_threads({options.threads}), flush_denormal"
    if os.environ.get("MALLOC_MMAP_THRESHOLD_"):
        options.how += ", big-malloc settings"


def check():
    """By hand and by autograd take the same steps."""
    for activation in ("relu", "tanh"):
        x, y = torch.randn(16, 12), torch.randint(0, 5, (16,))
        one, other = (Steps(variant, 12, 7, 5, activation) for variant in ("fused", "hand"))
        for _ in range(3):
            torch.testing.assert_close(one.step(x, y), other.step(x, y))
        for p, q in zip(one.parameters, other.parameters):
            torch.testing.assert_close(p, q, atol=1e-5, rtol=1e-5)
