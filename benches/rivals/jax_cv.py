"""W7 with JAX: ten-fold cross-validation of MLP 64-64-10 ReLU on digits, batch 32, Adam, 30 epochs.

Folds side by side in one scan. `--processes 2` gives each of two processes five folds and a core;
`--processes 1` leaves all ten to one process with `--threads` cores. A training part of 1,617 or
1,618 rows makes 51 batches, the last filled up with rows of weight 0. Everything is compiled and the
processes are started beforehand; timed are folds and shuffles, standardizing (fitted on each fold's
training rows), the fits and the accuracy on the held-out rows, from the order to the last answer.
"""

import json
import os
import subprocess
import sys

import measuring


def _extend(parser):
    parser.add_argument("--processes", type=int, choices=(1, 2))
    parser.add_argument("--worker", help="internal: `index/count` of a worker process")


options = measuring.jax_options(["W7"], ["plain"], _extend)
processes = options.processes or options.threads

EPOCHS, BATCH, FOLDS = 30, 32, 10
# style of running the folds (`vmap`: side by side; `map`: one after the other, each in its own scan),
# way to the gradient, whether rows are standardized beforehand or as they are gathered
VARIANTS = [f"vmap {way} {where} unroll={n}" for way in ("auto", "hand") for where in ("early", "late") for n in (1, 2)]
VARIANTS += ["map auto early unroll=1", "map hand early unroll=1"]


def work(index, count):
    """Answers each order line on standard input with a line of its folds' accuracies."""
    import functools

    import jax
    import jax.numpy as jnp
    import numpy as np

    import jax_net as net

    features, labels, data = measuring.tabular("digits")
    rows = len(features)
    mine = range(index * FOLDS // count, (index + 1) * FOLDS // count)
    sizes = [len(part) for part in np.array_split(np.arange(rows), FOLDS)]
    steps = -(-(rows - min(sizes)) // BATCH)
    test_rows = max(sizes)
    x, y = jax.device_put(features), jax.device_put(labels)
    starts = [net.new_parameters(k, 64, 64, 10) for k in mine]
    stacked = tuple(np.stack(p) for p in zip(*starts))

    def indices(seed):
        """Of each own fold: training rows shuffled anew for each epoch, weights, held-out rows."""
        rng = np.random.default_rng(seed)
        parts = np.array_split(rng.permutation(rows).astype(np.int32), FOLDS)
        order = np.zeros((len(mine), EPOCHS, steps * BATCH), np.int32)
        weight = np.zeros((len(mine), steps * BATCH), np.float32)
        test = np.zeros((len(mine), test_rows), np.int32)
        count_of_test = np.zeros(len(mine), np.float32)
        for at, fold in enumerate(mine):
            training = np.concatenate(parts[:fold] + parts[fold + 1 :])
            for epoch in range(EPOCHS):
                rng.shuffle(training)
                order[at, epoch, : len(training)] = training
            full, rest = divmod(len(training), BATCH)
            weight[at, : full * BATCH] = 1 / BATCH
            weight[at, full * BATCH : len(training)] = 1 / max(rest, 1)
            test[at, : len(parts[fold])] = parts[fold]
            count_of_test[at] = len(parts[fold])
        shape = (len(mine), EPOCHS * steps, BATCH)
        return order.reshape(shape), weight.reshape(len(mine), steps, BATCH), test, count_of_test

    def scaling(x, order, weight):
        training = order[:steps]
        inside = (weight > 0)[..., None]
        chosen = net.rows_of(x, training)
        n = jnp.sum(inside)
        mean = jnp.sum(jnp.where(inside, chosen, 0), (0, 1)) / n
        variance = jnp.sum(jnp.where(inside, (chosen - mean) ** 2, 0), (0, 1)) / n
        return mean, jnp.where(variance > 0, jax.lax.rsqrt(variance), 1)

    def zero_state(parameters):
        zeros = jax.tree.map(jnp.zeros_like, parameters)
        return (parameters, zeros, zeros, np.float32(1), np.float32(1))

    def one_step(way, where, table, mean, inverse, y, state, batch, weight):
        bx = net.rows_of(table, batch)
        if where == "late":
            bx = (bx - mean) * inverse
        loss, gradients = net.loss_and_gradient(way, "@", net.relu, state[0], bx, net.rows_of(y, batch), weight)
        return net.adam(state, gradients), loss

    def held_out(x, y, mean, inverse, parameters, test, n):
        found = jnp.argmax(net.logits(net.relu, parameters, (net.rows_of(x, test) - mean) * inverse), axis=1)
        return jnp.sum((found == net.rows_of(y, test)) & (jnp.arange(test_rows) < n)) / n

    @functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
    def cross_validate(style, way, where, unroll, x, y, parameters, order, weight, test, n):
        mean, inverse = jax.vmap(scaling, (None, 0, 0))(x, order, weight)
        if where == "late":
            tables, axis = x, None
        else:
            tables, axis = (x[None] - mean[:, None]) * inverse[:, None], 0
        step = functools.partial(one_step, way, where)
        weights = jnp.tile(weight, (1, EPOCHS, 1))

        if style == "map":

            def fit(fold):
                start, table, mean, inverse, order, weight = fold

                def body(state, batch):
                    return step(x if table is None else table, mean, inverse, y, state, *batch)

                return jax.lax.scan(body, zero_state(start), (order, weight), unroll=unroll)[0][0]

            parameters = jax.lax.map(
                fit, (parameters, None if where == "late" else tables, mean, inverse, order, weights)
            )
        else:
            body_of_all = jax.vmap(step, (axis, 0, 0, None, 0, 0, 0))

            def body(state, batch):
                return body_of_all(tables, mean, inverse, y, state, *batch)

            batches = (jnp.swapaxes(order, 0, 1), jnp.swapaxes(weights, 0, 1))
            parameters = jax.lax.scan(body, jax.vmap(zero_state)(parameters), batches, unroll=unroll)[0][0]
        return jax.vmap(held_out, (None, None, 0, 0, 0, 0, 0))(x, y, mean, inverse, parameters, test, n)

    print(json.dumps({"ready": index, "data": data, "version": jax.__version__}), flush=True)
    for line in sys.stdin:
        variant, seed = json.loads(line)
        style, way, where, unroll = variant.split(" ")
        unroll = int(unroll[len("unroll=") :])
        try:
            accuracies = cross_validate(style, way, where, unroll, x, y, stacked, *indices(seed))
            print(json.dumps([float(a) for a in accuracies]), flush=True)
        except Exception as error:
            print(json.dumps({"error": f"{type(error).__name__}: {str(error)[:200]}"}), flush=True)


def main():
    def start(index):
        command = [sys.executable, os.path.abspath(__file__), "--worker", f"{index}/{processes}"]
        share = options.cores if processes == 1 else [options.cores[index]]
        environment = dict(os.environ, XLA_FLAGS=options.given_flags)
        os.sched_setaffinity(0, share)  # inherited by the worker
        try:
            return subprocess.Popen(
                command + ["--threads", str(len(share))],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
            )
        finally:
            os.sched_setaffinity(0, options.cores)

    if processes > len(options.cores):
        sys.exit("more processes than cores")
    workers = [start(index) for index in range(processes)]

    def answers():
        read = [json.loads(worker.stdout.readline()) for worker in workers]
        for one in read:
            if isinstance(one, dict) and "error" in one:
                raise RuntimeError(one["error"])
        return read

    seed = iter(range(1, 1000000))
    kept = {}

    def once(variant):
        order = json.dumps([variant, next(seed)]) + "\n"
        for worker in workers:
            worker.stdin.write(order)
            worker.stdin.flush()
        kept["accuracies"] = sum(answers(), [])

    def measure(variant, repeats):
        once(variant)
        return measuring.timed(lambda: once(variant), repeats)

    try:
        ready = answers()
        best, tried = measuring.best_variant(VARIANTS, lambda v: min(measure(v, 1 if options.quick else 3)))
        times = measure(best, options.repeats or (2 if options.quick else 11))
    finally:
        for worker in workers:
            worker.stdin.close()
            worker.wait()
    accuracies = kept["accuracies"]
    mean = sum(accuracies) / len(accuracies)
    assert len(accuracies) == FOLDS and mean > 0.95, accuracies
    options.how = f"{processes} process(es) on {len(options.cores)} core(s) by sched_setaffinity" + (
        ", one core each, --xla_cpu_multi_thread_eigen=false" if processes == len(options.cores) else ""
    )
    measuring.report(
        options, "W7", f"JAX, folds in one scan, compiled beforehand, {processes} process(es)",
        ready[0]["version"], "s", times, processes=processes, variant=best, tried=tried,
        data=ready[0]["data"], accuracy=round(mean, 4),
    )


if options.worker:
    work(*map(int, options.worker.split("/")))
else:
    main()
