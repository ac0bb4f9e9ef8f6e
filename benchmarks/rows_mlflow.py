"""The peer of benchmarks/rows.py: the same numbers as metrics of MLflow runs, by `log_batch` into its SQLite store.

Prints the seconds that it took: arguments are a folder, the name of an experiment, and how many rows of 3 x 50 numbers
(a run each). Making the store and the experiment is not timed.
"""

import sys
import time
from pathlib import Path

from mlflow.entities import Metric
from mlflow.tracking import MlflowClient


def main() -> None:
    """Log, and print the seconds."""
    folder, name, rows = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.create_experiment(name, artifact_location=folder.as_uri())
    started = time.perf_counter()
    for row in range(rows):
        run = client.create_run(experiment, run_name=f"row {row}").info.run_id
        metrics = [Metric(f"value_col{c}", (row * 150 + c * 50 + i) / 7, 0, i) for c in (1, 2, 3) for i in range(50)]
        client.log_batch(run, metrics=metrics)
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main()
