"""W1a and W1b with JAX: MLP 784-128-10, one whole epoch compiled into one scan.

A step gathers its shuffled batch, goes forward and back, and updates by Adam. The permutation is
made beforehand and handed in. Buffers of the state are donated. Reported: ms a step.
"""

import measuring

options = measuring.jax_options(["W1a", "W1b"], ["plain"])

import functools  # noqa: E402

import jax  # noqa: E402
import numpy as np  # noqa: E402

import jax_net as net  # noqa: E402

BATCH = {"W1a": 32, "W1b": 128}[options.work]

features, labels, data = measuring.mnist()
steps = len(features) // BATCH
rng = np.random.default_rng(1)
if options.quick:
    steps = min(steps, 300)
x, y = jax.device_put(features), jax.device_put(labels)
del features
weight = np.float32(1 / BATCH)


@functools.partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=(3,))
def epoch(way, gather, unroll, state, x, y, order):
    def step(carry, batch):
        state, total = carry
        bx, by = batch if gather == "before" else (net.rows_of(x, batch), net.rows_of(y, batch))
        loss, gradients = net.loss_and_gradient(way, "@", net.relu, state[0], bx, by, weight)
        return (net.adam(state, gradients), total + loss), None

    batches = (net.rows_of(x, order), net.rows_of(y, order)) if gather == "before" else order
    (state, total), _ = jax.lax.scan(step, (state, np.float32(0)), batches, unroll=unroll)
    return state, total / order.shape[0]


def shuffled():
    order = rng.permutation(len(labels))[: steps * BATCH].reshape(steps, BATCH)
    return jax.device_put(order.astype(np.int32))


def fresh():
    return jax.device_put(net.new_state(net.new_parameters(0, 784, 128, 10)))


def run(variant, repeats):
    """ms a step of each epoch (the first, which compiles, left out), and each epoch's mean loss."""
    way, gather, unroll = variant.split(" ")
    orders = [shuffled() for _ in range(repeats + 1)]
    kept = {"state": fresh(), "loss": []}

    def once():
        state, loss = epoch(way, gather, int(unroll[len("unroll=") :]), kept["state"], x, y, orders.pop())
        kept["loss"].append(float(loss))
        kept["state"] = jax.block_until_ready(state)

    once()
    return [s * 1e3 / steps for s in measuring.timed(once, repeats)], kept


variants = [f"{way} inside unroll={n}" for way in ("auto", "hand") for n in (1, 2, 4)]
variants.append("auto before unroll=1")
if options.quick:
    net.check()
best, tried = measuring.best_variant(variants, lambda name: min(run(name, 1 if options.quick else 3)[0]))
times, kept = run(best, options.repeats or (3 if options.quick else 15))
losses = [round(loss, 4) for loss in kept["loss"]]
if data == "mnist":
    assert losses[-1] < losses[0], losses
measuring.report(
    options, options.work, "JAX, whole epoch in one scan", jax.__version__, "ms a step", times,
    variant=best, tried=tried, data=data, batch=BATCH, steps=steps, loss=losses[:: max(1, len(losses) - 1)],
)
