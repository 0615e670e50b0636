"""W8 with scikit-learn: RandomizedSearchCV over MLPClassifier, 40 trials on one split of digits; processes on two cores."""

import measuring

options = measuring.arguments(["W8"])

import numpy as np  # noqa: E402
import scipy.stats  # noqa: E402
import sklearn  # noqa: E402
import threadpoolctl  # noqa: E402
from sklearn.model_selection import RandomizedSearchCV, StratifiedShuffleSplit  # noqa: E402
from sklearn.neural_network import MLPClassifier  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

features, labels, data = measuring.tabular("digits")
kept = {}


def search():
    network = MLPClassifier(batch_size=32, max_iter=20, tol=0, n_iter_no_change=21, random_state=0)
    space = {
        "mlpclassifier__learning_rate_init": scipy.stats.loguniform(1e-4, 1e-1),
        "mlpclassifier__hidden_layer_sizes": [(units,) for units in range(16, 257)],
        "mlpclassifier__alpha": scipy.stats.loguniform(1e-6, 1e-2),
    }
    split = StratifiedShuffleSplit(n_splits=1, test_size=0.2, random_state=7)
    with threadpoolctl.threadpool_limits(1):
        found = RandomizedSearchCV(
            make_pipeline(StandardScaler(), network), space, n_iter=40, cv=split, refit=False, n_jobs=options.threads, random_state=0
        ).fit(features, labels)
    kept["best"] = float(np.max(found.cv_results_["mean_test_score"]))


search()
times = measuring.timed(search, options.repeats or (1 if options.quick else 3))
assert kept["best"] > 0.95, kept
measuring.report(
    options, "W8", "scikit-learn, RandomizedSearchCV", sklearn.__version__, "s", times,
    processes=options.threads, data=data, accuracy=round(kept["best"], 4),
)
