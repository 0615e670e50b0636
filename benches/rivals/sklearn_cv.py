"""W7 with scikit-learn: cross_val_score of StandardScaler + MLPClassifier(64), ten folds, 30 epochs.

`--threads` is the number of processes (joblib gives each one BLAS thread). The pool is started and
has imported everything before the clock. Features are float32, which MLPClassifier keeps.
"""

import warnings

import measuring

options = measuring.arguments(["W7"])

import os  # noqa: E402

os.environ["PYTHONWARNINGS"] = "ignore"  # 30 epochs never count as converged; also in the pool
warnings.simplefilter("ignore")

import sklearn  # noqa: E402
import threadpoolctl  # noqa: E402
from sklearn.model_selection import KFold, cross_val_score  # noqa: E402
from sklearn.neural_network import MLPClassifier  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

features, labels, data = measuring.tabular("digits")
kept = {}


def cross_validate(epochs=30):
    network = MLPClassifier(
        (64,), batch_size=32, max_iter=epochs, tol=0, n_iter_no_change=epochs + 1, alpha=0, random_state=0
    )
    folds = KFold(10, shuffle=True, random_state=0)
    with threadpoolctl.threadpool_limits(1):
        kept["accuracies"] = cross_val_score(
            make_pipeline(StandardScaler(), network), features, labels, cv=folds, n_jobs=options.threads
        )


cross_validate(1)
times = measuring.timed(cross_validate, options.repeats or (1 if options.quick else 5))
mean = float(kept["accuracies"].mean())
assert mean > 0.95, mean
options.how = f"{options.threads} process(es) of one BLAS thread, " + options.how
kernels = sorted({i.get("architecture", "") for i in threadpoolctl.threadpool_info() if i["user_api"] == "blas"})
measuring.report(
    options, "W7", "scikit-learn, cross_val_score", sklearn.__version__, "s", times,
    processes=options.threads, data=data, accuracy=round(mean, 4), blas=kernels,
)
