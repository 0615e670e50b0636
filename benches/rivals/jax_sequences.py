"""W4 and W5 with JAX: a character LSTM and a small transformer, one epoch compiled into one scan over shuffled batches."""

import measuring

options = measuring.jax_options(["W4", "W5"], ["plain"])

import functools  # noqa: E402

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

BATCH, VOCABULARY = 32, 65
LENGTH = {"W4": 50, "W5": 64}[options.work]
windows, targets, data = measuring.characters(LENGTH)
steps = 10 if options.quick else {"W4": 100, "W5": 30}[options.work]
rng = np.random.default_rng(1)
x, y = jax.device_put(windows.astype(np.int32)), jax.device_put(targets.astype(np.int32))


def matrix(rows, columns):
    limit = np.sqrt(6 / (rows + columns))
    return rng.uniform(-limit, limit, (rows, columns)).astype(np.float32)


def zeros(*shape):
    return np.zeros(shape, np.float32)


def new_lstm():
    bias = zeros(512)
    bias[128:256] = 1
    return {
        "table": rng.uniform(-0.05, 0.05, (VOCABULARY, 64)).astype(np.float32),
        "kernel": matrix(64, 512), "recurrent": matrix(128, 512), "bias": bias,
        "dense": matrix(128, VOCABULARY), "dense_bias": zeros(VOCABULARY),
    }


def lstm(p, x):
    inputs = (p["table"][x] @ p["kernel"] + p["bias"]).swapaxes(0, 1)

    def step(state, z):
        h, c = state
        i, f, g, o = jnp.split(z + h @ p["recurrent"], 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    start = jnp.zeros((x.shape[0], 128), jnp.float32)
    _, all_h = jax.lax.scan(step, (start, start), inputs)
    return all_h.swapaxes(0, 1) @ p["dense"] + p["dense_bias"]


def new_transformer():
    def norm():
        return {"scale": np.ones(128, np.float32), "shift": zeros(128)}

    def block():
        return {
            "norm1": norm(), "qkv": matrix(128, 384), "qkv_bias": zeros(384), "out": matrix(128, 128), "out_bias": zeros(128),
            "norm2": norm(), "inner": matrix(128, 512), "inner_bias": zeros(512), "back": matrix(512, 128), "back_bias": zeros(128),
        }

    return {
        "table": rng.uniform(-0.05, 0.05, (VOCABULARY, 128)).astype(np.float32),
        "positions": rng.uniform(-0.05, 0.05, (LENGTH, 128)).astype(np.float32),
        "blocks": [block(), block()], "norm": norm(),
        "dense": matrix(128, VOCABULARY), "dense_bias": zeros(VOCABULARY),
    }


def normalized(p, x):
    centred = x - x.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * p["scale"] + p["shift"]


def transformer(p, x):
    h = p["table"][x] + p["positions"]
    rows, time, width = h.shape
    for b in p["blocks"]:
        q, k, v = jnp.split(normalized(b["norm1"], h) @ b["qkv"] + b["qkv_bias"], 3, axis=-1)
        q, k, v = (part.reshape(rows, time, 4, width // 4) for part in (q, k, v))
        mixed = jax.nn.dot_product_attention(q, k, v, is_causal=True).reshape(rows, time, width)
        h = h + mixed @ b["out"] + b["out_bias"]
        inner = jax.nn.gelu(normalized(b["norm2"], h) @ b["inner"] + b["inner_bias"], approximate=False)
        h = h + inner @ b["back"] + b["back_bias"]
    return normalized(p["norm"], h) @ p["dense"] + p["dense_bias"]


new, forward = {"W4": (new_lstm, lstm), "W5": (new_transformer, transformer)}[options.work]


def loss_of(p, x, y):
    log_p = jax.nn.log_softmax(forward(p, x))
    return -jnp.take_along_axis(log_p, y[..., None], axis=-1).mean()


def update(state, gradients):
    """Adam with gradients clipped to norm 1 (W4), AdamW (W5)."""
    p, m, v, t = state
    t = t + 1
    if options.work == "W4":
        norm = jnp.sqrt(sum((g**2).sum() for g in jax.tree.leaves(gradients)))
        gradients = jax.tree.map(lambda g: g * jnp.minimum(1, 1 / norm), gradients)
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradients)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradients)
    rate, correction = 1e-3 / (1 - 0.9**t), jax.lax.rsqrt(1 - 0.999**t)
    decay = 1e-3 * 0.01 if options.work == "W5" else 0.0
    p = jax.tree.map(lambda p, m, v: p * (1 - decay) - rate * m / (jnp.sqrt(v) * correction + 1e-8), p, m, v)
    return p, m, v, t


@functools.partial(jax.jit, donate_argnums=(0,))
def epoch(state, x, y, order):
    def step(carry, batch):
        state, total = carry
        loss, gradients = jax.value_and_grad(loss_of)(state[0], x[batch], y[batch])
        return (update(state, gradients), total + loss), None

    (state, total), _ = jax.lax.scan(step, (state, np.float32(0)), order)
    return state, total / order.shape[0]


def run(repeats):
    p = new()
    state = jax.device_put((p, jax.tree.map(np.zeros_like, p), jax.tree.map(np.zeros_like, p), np.float32(0)))
    losses = []

    def once():
        nonlocal state
        order = rng.permutation(len(y))[: steps * BATCH].reshape(steps, BATCH).astype(np.int32)
        state, loss = epoch(state, x, y, jax.device_put(order))
        losses.append(float(loss))
        jax.block_until_ready(state)

    once()
    return [s * 1e3 / steps for s in measuring.timed(once, repeats)], losses


times, losses = run(options.repeats or (3 if options.quick else 15))
if data == "tinyshakespeare":
    assert losses[-1] < losses[0], losses
measuring.report(
    options, options.work, "JAX, whole epoch in one scan", jax.__version__, "ms a step", times,
    data=data, batch=BATCH, steps=steps, loss=[round(losses[0], 4), round(losses[-1], 4)],
)
