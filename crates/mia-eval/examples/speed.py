"""Times scikit-learn's support vector machine on the points that `speed.rs` wrote, and compares decisions.

    python speed.py FOLDER [FEATURE ...]        needs numpy and scikit-learn
"""

import pathlib
import sys
import time

import numpy as np
from sklearn.svm import SVC

folder = pathlib.Path(sys.argv[1])
for feature in sys.argv[2:] or ["confidence", "correctness", "entropy", "m-entropy", "prob"]:
    called = np.fromfile(folder / f"{feature}.called", np.uint8)
    points = np.fromfile(folder / f"{feature}.f64", "<f8").reshape(len(called), -1)
    members = np.arange(len(called)) < len(called) // 2
    start = time.process_time()
    svc = SVC(C=3, gamma="auto").fit(points, members)
    fitted = time.process_time()
    theirs = svc.predict(points)
    applied = time.process_time()
    agreement = 100 * (theirs == called).mean()
    print(f"{feature:<18} fit {fitted - start:8.3f} s, decisions {applied - fitted:7.3f} s, agreement {agreement:.3f} %", flush=True)
