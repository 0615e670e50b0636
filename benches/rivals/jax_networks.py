"""W1c, W2, W3 with JAX: whole epochs of steps in one `scan`, state donated, permutation made beforehand. Reported: ms a step.

The networks of torch_networks.py, channels last. Products and convolutions by XLA.
"""

import measuring

options = measuring.jax_options(["W1c", "W2", "W3"], ["plain"])

import functools  # noqa: E402

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

import jax_net as net  # noqa: E402

work = options.work
BATCH = 128 if work == "W1c" else 64
rng = np.random.default_rng(1)
if work == "W3":
    features, data = rng.random((2560, 32, 32, 3), dtype=np.float32), "random"
    labels = rng.integers(0, 10, 2560).astype(np.int32)
else:
    features, labels, data = measuring.mnist()
    features, labels = features[:6400], labels[:6400]
    if work == "W2":
        features = features.reshape(-1, 28, 28, 1)
parameters = {}


def weight(name, shape):
    fan = int(np.prod(shape[:-1])) if len(shape) > 1 else 1
    value = rng.normal(size=shape) * np.sqrt(2 / fan) if len(shape) > 1 else np.zeros(shape)
    parameters[name] = value.astype(np.float32)


def convolution(x, w, stride=1, padding="VALID"):
    return jax.lax.conv_general_dilated(x, w, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def norm(x, p, name):
    mean, variance = jnp.mean(x, (0, 1, 2)), jnp.var(x, (0, 1, 2))
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * (1 + p[f"{name} scale"]) + p[f"{name} shift"]


BLOCKS = ((16, 16, 1), (16, 32, 2), (32, 64, 2))
if work == "W1c":
    for i, (inputs, units) in enumerate(((784, 512), (512, 512), (512, 10))):
        weight(f"w{i}", (inputs, units))
        weight(f"b{i}", (units,))
elif work == "W2":
    for i, shape in enumerate(((3, 3, 1, 32), (3, 3, 32, 64), (9216, 128), (128, 10))):
        weight(f"w{i}", shape)
        weight(f"b{i}", shape[-1:])
else:
    shapes = {"first": (3, 3, 3, 16)}
    for i, (before, filters, stride) in enumerate(BLOCKS):
        shapes |= {f"a{i}": (3, 3, before, filters), f"b{i}": (3, 3, filters, filters)}
        if stride > 1:
            shapes[f"s{i}"] = (1, 1, before, filters)
    for name, shape in shapes.items():
        weight(name, shape)
        weight(f"{name} scale", shape[-1:])
        weight(f"{name} shift", shape[-1:])
    weight("w", (64, 10))
    weight("b", (10,))


def outputs(p, x):
    if work == "W1c":
        for i in range(3):
            x = x @ p[f"w{i}"] + p[f"b{i}"]
            x = jax.nn.relu(x) if i < 2 else x
        return x
    if work == "W2":
        for i in range(2):
            x = jax.nn.relu(convolution(x, p[f"w{i}"]) + p[f"b{i}"])
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        x = jax.nn.relu(x.reshape(len(x), -1) @ p["w2"] + p["b2"])
        return x @ p["w3"] + p["b3"]
    x = jax.nn.relu(norm(convolution(x, p["first"], 1, "SAME"), p, "first"))
    for i, (_, _, stride) in enumerate(BLOCKS):
        # as PyTorch pads: one pixel on every side
        y = norm(convolution(x, p[f"a{i}"], stride, ((1, 1), (1, 1))), p, f"a{i}")
        y = norm(convolution(jax.nn.relu(y), p[f"b{i}"], 1, "SAME"), p, f"b{i}")
        if stride > 1:
            x = norm(convolution(x, p[f"s{i}"], stride), p, f"s{i}")
        x = jax.nn.relu(x + y)
    return jnp.mean(x, (1, 2)) @ p["w"] + p["b"]


def loss_of(p, x, y):
    scores = jax.nn.log_softmax(outputs(p, x))
    return -jnp.mean(jnp.take_along_axis(scores, y[:, None], axis=1))


def momentum(state, gradients):
    p, velocity = state
    velocity = jax.tree.map(lambda v, g: 0.9 * v + g, velocity, gradients)
    return jax.tree.map(lambda p, v: p - 0.05 * v, p, velocity), velocity


@functools.partial(jax.jit, donate_argnums=(0,))
def epoch(state, x, y, order):
    def step(carry, batch):
        state, total = carry
        loss, gradients = jax.value_and_grad(loss_of)(state[0], net.rows_of(x, batch), net.rows_of(y, batch))
        return (momentum(state, gradients) if work == "W3" else net.adam(state, gradients), total + loss), None

    (state, total), _ = jax.lax.scan(step, (state, np.float32(0)), order)
    return state, total / order.shape[0]


steps = len(labels) // BATCH
if options.quick:
    steps = min(steps, 10)
x, y = jax.device_put(features), jax.device_put(labels)
zeros = lambda: jax.tree.map(np.zeros_like, parameters)  # noqa: E731
state = (parameters, zeros()) if work == "W3" else (parameters, zeros(), zeros(), np.float32(1), np.float32(1))
kept = {"state": jax.device_put(state), "loss": []}


def once():
    order = jax.device_put(rng.permutation(len(labels))[: steps * BATCH].reshape(steps, BATCH).astype(np.int32))
    kept["state"], loss = jax.block_until_ready(epoch(kept["state"], x, y, order))
    kept["loss"].append(float(loss))


once()
times = [s * 1e3 / steps for s in measuring.timed(once, options.repeats or (1 if options.quick else 5))]
losses = [round(loss, 4) for loss in kept["loss"]]
if data == "mnist":
    assert losses[-1] < losses[0], losses
measuring.report(
    options, work, "JAX, whole epoch in one scan", jax.__version__, "ms a step", times,
    data=data, batch=BATCH, steps=steps, loss=losses[:: max(1, len(losses) - 1)],
)
