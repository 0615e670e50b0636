"""W6 with JAX: MLP 4-16-3 tanh on iris, batch 16, Adam, 100 epochs, the whole fit in one call.

150 rows make ten batches an epoch, the last of six rows (filled up with rows of weight 0, so that
all 1,000 steps are one scan). Compiled beforehand; timed are the shuffles, the call and the copy of
the parameters back to the host.
"""

import measuring

options = measuring.jax_options(["W6"], ["plain", "tuned", "flag"])

import functools  # noqa: E402

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax.flatten_util import ravel_pytree  # noqa: E402

import jax_net as net  # noqa: E402

EPOCHS, BATCH = 100, 16
features, labels, data = measuring.tabular("iris")
features = (features - features.mean(0)) / features.std(0)
rows = len(features)
steps = -(-rows // BATCH)
counts = np.minimum(BATCH, rows - np.arange(steps) * BATCH)
weights = np.where(np.arange(BATCH) < counts[:, None], 1 / counts[:, None], 0).astype(np.float32)
weights = np.tile(weights, (EPOCHS, 1))
rng = np.random.default_rng(1)
start = net.new_parameters(0, 4, 16, 3)
_, unravel = ravel_pytree(start)


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def fit(way, form, layout, unroll, parameters, x, y, order, weights):
    """`tree` keeps four arrays, `flat` one vector that Adam updates in a single loop."""
    if layout == "flat":
        parameters = ravel_pytree(parameters)[0]
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    state = (parameters, zeros, zeros, np.float32(1), np.float32(1))

    def step(carry, batch):
        state, total = carry
        indices, weight = batch
        tree = unravel(state[0]) if layout == "flat" else state[0]
        loss, gradients = net.loss_and_gradient(
            way, form, jnp.tanh, tree, net.rows_of(x, indices), net.rows_of(y, indices), weight
        )
        if layout == "flat":
            gradients = ravel_pytree(gradients)[0]
        return (net.adam(state, gradients), total + loss), None

    (state, total), _ = jax.lax.scan(step, (state, np.float32(0)), (order, weights), unroll=unroll)
    return unravel(state[0]) if layout == "flat" else state[0]


def shuffled():
    order = np.zeros((EPOCHS, steps * BATCH), np.int32)
    order[:, :rows] = rng.permuted(np.broadcast_to(np.arange(rows, dtype=np.int32), (EPOCHS, rows)), axis=1)
    return order.reshape(EPOCHS * steps, BATCH)


def run(variant, repeats):
    way, form, layout, unroll = variant.split(" ")
    compiled = functools.partial(fit, way, form, layout, int(unroll[len("unroll=") :]))
    kept = {}

    def once():
        kept["parameters"] = jax.device_get(compiled(start, features, labels, shuffled(), weights))

    once()
    once()
    return [s * 1e3 for s in measuring.timed(once, repeats)], kept["parameters"]


def accuracy(parameters):
    w1, b1, w2, b2 = parameters
    return float(np.mean((np.tanh(features @ w1 + b1) @ w2 + b2).argmax(1) == labels))


pairs = ["auto @"] if options.form == "plain" else ["hand @", "auto sum", "hand sum"]
variants = [f"{pair} {layout} unroll={n}" for pair in pairs for layout in ("tree", "flat") for n in (1, 2, 4)]
if options.quick:
    net.check()
best, tried = measuring.best_variant(variants, lambda name: min(run(name, 5 if options.quick else 20)[0]))
times, parameters = run(best, options.repeats or (10 if options.quick else 100))
reached = accuracy(parameters)
assert reached > 0.9, reached
measuring.report(
    options, "W6", f"JAX, whole fit in one scan, compiled beforehand; {measuring.FORMS[options.form]}", jax.__version__, "ms", times,
    variant=best, tried=tried, data=data, accuracy=round(reached, 4),
)
