"""W8 with Optuna and PyTorch: RandomSampler, 40 trials on one split of digits; processes of one thread share a journal."""

import measuring

options = measuring.arguments(["W8"])

import multiprocessing  # noqa: E402
import os  # noqa: E402
import tempfile  # noqa: E402

import numpy as np  # noqa: E402
import optuna  # noqa: E402
import torch  # noqa: E402
from optuna.storages import JournalStorage  # noqa: E402
from optuna.storages.journal import JournalFileBackend  # noqa: E402

torch.set_num_threads(1)
optuna.logging.set_verbosity(optuna.logging.ERROR)
features, labels, data = measuring.tabular("digits")
order = np.random.default_rng(7).permutation(len(labels))
held, rest = order[: len(order) // 5], order[len(order) // 5 :]
mean, deviation = features[rest].mean(axis=0), features[rest].std(axis=0)
scaled = torch.from_numpy(((features - mean) / np.where(deviation > 0, deviation, 1)).astype(np.float32))
classes = torch.from_numpy(labels).long()
x, y, held_x, held_y = scaled[rest], classes[rest], scaled[held], classes[held]


def objective(trial):
    rate = trial.suggest_float("rate", 1e-4, 1e-1, log=True)
    units = trial.suggest_int("units", 16, 256)
    penalty = trial.suggest_float("penalty", 1e-6, 1e-2, log=True)
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(64, units), torch.nn.ReLU(), torch.nn.Linear(units, 10))
    optimizer = torch.optim.Adam(network.parameters(), lr=rate, weight_decay=penalty, fused=True)
    for _ in range(20):
        for batch in torch.randperm(len(y)).split(32):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        return float((network(held_x).argmax(dim=1) == held_y).float().mean())


def work(path, count, seed):
    storage = JournalStorage(JournalFileBackend(path))
    study = optuna.load_study(study_name="w8", storage=storage, sampler=optuna.samplers.RandomSampler(seed=seed))
    study.optimize(objective, n_trials=count)


kept = {}


def search():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "study.jsonl")
        study = optuna.create_study(study_name="w8", storage=JournalStorage(JournalFileBackend(path)), direction="maximize")
        share = 40 // options.threads
        if options.threads == 1:
            work(path, share, 0)
        else:
            # Forked, so that nothing is imported again.
            processes = [multiprocessing.get_context("fork").Process(target=work, args=(path, share, seed)) for seed in range(options.threads)]
            for process in processes:
                process.start()
            for process in processes:
                process.join()
        assert len(study.trials) == 40
        kept["best"] = study.best_value


search()
times = measuring.timed(search, options.repeats or (1 if options.quick else 3))
assert kept["best"] > 0.95, kept
measuring.report(
    options, "W8", "Optuna + PyTorch", optuna.__version__, "s", times,
    processes=options.threads, data=data, accuracy=round(kept["best"], 4), torch=torch.__version__,
)
