"""A network of one hidden layer with softmax cross-entropy and Adam, for the JAX programs.

Parameters are a tuple (w1, b1, w2, b2). The gradient is written in two ways, because XLA compiles
them differently: `auto` (jax.grad) and `hand` (the same derivative written out); and so are the
products (`_product`). What a JAX user would write is `auto` with `@`; the others are tuning.
"""

import jax
import jax.numpy as jnp
import numpy as np

RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8


def new_parameters(seed, inputs, hidden, outputs):
    generator = np.random.default_rng(seed)

    def uniform(rows, columns):
        bound = np.sqrt(6 / (rows + columns))
        return generator.uniform(-bound, bound, (rows, columns)).astype(np.float32)

    return (
        uniform(inputs, hidden),
        np.zeros(hidden, np.float32),
        uniform(hidden, outputs),
        np.zeros(outputs, np.float32),
    )


def new_state(parameters):
    """Parameters, both moments, and the running powers of the two betas."""
    zeros = tuple(np.zeros_like(p) for p in parameters)
    return (parameters, zeros, tuple(np.zeros_like(p) for p in parameters), np.float32(1), np.float32(1))


def relu(x):
    return jnp.maximum(x, 0)


def _product(form):
    """`@` is XLA's matrix product, often a library call; `sum` the same as a sum that XLA fuses with its neighbours."""
    if form == "@":
        return jnp.matmul
    return lambda a, b: jnp.sum(a[:, :, None] * b[None], axis=1)


def logits(activation, parameters, x):
    w1, b1, w2, b2 = parameters
    return activation(x @ w1 + b1) @ w2 + b2


def _loss(product, activation, parameters, x, y, weight):
    w1, b1, w2, b2 = parameters
    z = product(activation(product(x, w1) + b1), w2) + b2
    # one-hot: the derivative of take_along_axis is a scatter, which XLA runs slowly on a CPU
    chosen = jax.nn.one_hot(y, z.shape[1], dtype=z.dtype)
    return -jnp.sum(jnp.sum(jax.nn.log_softmax(z) * chosen, axis=1) * weight)


def _by_hand(product, activation, parameters, x, y, weight):
    w1, b1, w2, b2 = parameters
    before = product(x, w1) + b1
    hidden = activation(before)
    z = product(hidden, w2) + b2
    z = z - jnp.max(z, axis=1, keepdims=True)
    exponentials = jnp.exp(z)
    total = jnp.sum(exponentials, axis=1, keepdims=True)
    chosen = jax.nn.one_hot(y, z.shape[1], dtype=z.dtype)
    loss = jnp.sum((jnp.log(total)[:, 0] - jnp.sum(z * chosen, axis=1)) * weight)
    dz = (exponentials / total - chosen) * jnp.reshape(weight, (-1, 1))
    dh = product(dz, w2.T)
    dh = jnp.where(before > 0, dh, 0) if activation is relu else dh * (1 - hidden * hidden)
    return loss, (product(x.T, dh), jnp.sum(dh, axis=0), product(hidden.T, dz), jnp.sum(dz, axis=0))


def loss_and_gradient(way, form, activation, parameters, x, y, weight):
    """`weight` is each row's share of the mean: 1 / rows, or 0 for a row that only fills up."""
    if way == "hand":
        return _by_hand(_product(form), activation, parameters, x, y, weight)
    return jax.value_and_grad(_loss, argnums=2)(_product(form), activation, parameters, x, y, weight)


def check():
    """The four ways give the same loss and gradient."""
    generator = np.random.default_rng(3)
    x = generator.normal(size=(16, 12)).astype(np.float32)
    y = generator.integers(0, 5, 16).astype(np.int32)
    weight = np.full(16, 1 / 16, np.float32)
    for activation in (relu, jnp.tanh):
        parameters = new_parameters(1, 12, 7, 5)
        expected = loss_and_gradient("auto", "@", activation, parameters, x, y, weight)
        for way, form in (("auto", "sum"), ("hand", "@"), ("hand", "sum")):
            found = loss_and_gradient(way, form, activation, parameters, x, y, weight)
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-6), expected, found)


def adam(state, gradients):
    parameters, first, second, power1, power2 = state
    power1, power2 = power1 * BETA1, power2 * BETA2
    step = RATE / (1 - power1)
    root = jax.lax.rsqrt(1 - power2)
    first = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, first, gradients)
    second = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, second, gradients)
    parameters = jax.tree.map(
        lambda p, m, v: p - step * m / (jnp.sqrt(v) * root + EPSILON), parameters, first, second
    )
    return (parameters, first, second, power1, power2)


def rows_of(table, indices):
    return table.at[indices].get(mode="promise_in_bounds", unique_indices=False)
