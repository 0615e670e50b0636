"""W12 with NumPy, scikit-learn and pandas: standardizing 1e6 × 50 floats, ROC AUC of 1e6 scores, stratified ten-fold indices of 1e6
labels, reading a CSV file of 200,000 × 20 numbers (made once in the system's temporary folder, the same that nabla reads).
"""

import measuring

options = measuring.arguments(["W12a", "W12b", "W12c", "W12d"])

import os  # noqa: E402
import pathlib  # noqa: E402
import tempfile  # noqa: E402

import numpy as np  # noqa: E402
import sklearn  # noqa: E402

generator = np.random.default_rng(0)
repeats = options.repeats or (2 if options.quick else 7)


def measured(rival, version, call, **more):
    call()
    measuring.report(options, options.work, rival, version, "s", measuring.timed(call, repeats), **more)


if options.work == "W12a":
    x = generator.random((1_000_000, 50), dtype=np.float32)
    out = np.empty_like(x)

    def standardize():
        mean, deviation = x.mean(0, dtype=np.float64), x.std(0)
        np.subtract(x, mean.astype(np.float32), out=out)
        np.divide(out, deviation, out=out)

    measured("NumPy", np.__version__, standardize)
elif options.work == "W12b":
    from sklearn.metrics import roc_auc_score

    labels, scores = generator.integers(0, 2, 1_000_000), generator.random(1_000_000)
    measured("scikit-learn, roc_auc_score", sklearn.__version__, lambda: roc_auc_score(labels, scores))
elif options.work == "W12c":
    from sklearn.model_selection import StratifiedKFold

    labels = generator.integers(0, 5, 1_000_000)
    splitter = StratifiedKFold(10, shuffle=True, random_state=0)
    measured("scikit-learn, StratifiedKFold", sklearn.__version__, lambda: list(splitter.split(labels, labels)))
else:
    import pandas

    path = pathlib.Path(tempfile.gettempdir()) / "nabla-w12.csv"
    if not path.exists():
        unfinished = path.with_suffix(f".{os.getpid()}")
        names = [f"c{j}" for j in range(20)]
        pandas.DataFrame(generator.normal(size=(200_000, 20)), columns=names).to_csv(unfinished, index=False)
        unfinished.rename(path)
    measured("pandas, read_csv", pandas.__version__, lambda: pandas.read_csv(path), megabytes=round(path.stat().st_size / 1e6))
