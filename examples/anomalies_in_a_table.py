"""From a table of mixed columns to an alarm: train, save, export, and how to ask the server.

python examples/anomalies_in_a_table.py                 # network flows, made up
python examples/anomalies_in_a_table.py flows.csv       # your own normal rows
"""

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

from aae_tf import AAE, AnomalyDetector, data, divergences, evaluation, export, networks, priors

CODE_DIM = 4


def make_flows(count: int, seed: int) -> dict[str, np.ndarray]:
    """Makes network flows: numbers, text and counts, with missing values."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(3, count, p=[0.6, 0.3, 0.1])
    packets = rng.poisson(np.array([20, 5, 200])[kind]) + 1
    seconds = rng.gamma(2.0, 0.1 * packets**0.5)
    return {
        "bytes": np.exp(rng.normal(np.log(packets * np.array([500, 80, 1200])[kind]), 0.3)),
        "seconds": np.where(rng.random(count) < 0.05, np.nan, seconds),
        "packets": packets,
        "protocol": np.array(["tcp", "udp", "tcp"])[kind],
        "service": np.array(["http", "dns", "backup"])[kind],
    }


def make_anomalies(count: int, seed: int) -> dict[str, np.ndarray]:
    """Makes flows whose values are usual one by one, but not together."""
    flows = make_flows(count, seed)
    order = np.random.default_rng(seed).permutation(count)
    return {**flows, "service": flows["service"][order], "bytes": flows["bytes"][order[::-1]]}


def read(path: str) -> Any:
    """Reads a CSV file."""
    import pandas

    return pandas.read_csv(path)


def main(path: str | None = None, epochs: int = 30, out: str = "runs/anomalies") -> None:
    """Trains a detector on normal rows, and writes it and its export below `out`."""
    flows = make_flows(4000, seed=0) if path is None else read(path)
    schema = data.TableSchema.infer(flows)
    print(schema)

    model = AAE(
        encoder=networks.tabular_encoder(schema, units=(64, 32), seed=1),
        decoder=networks.tabular_decoder(schema, CODE_DIM, units=(32, 64), seed=2),
        prior=priors.gaussian(CODE_DIM),
        divergence=divergences.MMD(weight=10.0),
        table=schema,
        seed=0,
    )
    model.compile(optimizer=keras.optimizers.Adam(2e-3))
    detector = AnomalyDetector(model, false_alarm_rate=0.01, epochs=epochs).fit(flows)
    detector.save(Path(out, "detector"))
    paths = export.export_servables(detector, Path(out, "saved_models"), combined=True)
    print(paths)

    if path is None:
        normal, anomalies = make_flows(2000, seed=1), make_anomalies(200, seed=2)
        scores = [detector.score(rows) for rows in (normal, anomalies)]
        score, alarm = (
            np.concatenate([each[name] for each in scores])
            for name in ("anomaly_score", "is_anomaly")
        )
        numbers = evaluation.anomaly_metrics(np.repeat([0, 1], [2000, 200]), score, alarm)
        print({name: np.round(value, 3).tolist() for name, value in numbers.items()})
        # Why: what adds to the score of the most anomalous row.
        worst = int(scores[1]["anomaly_score"].argmax())
        why = detector.explain({name: values[[worst]] for name, values in anomalies.items()})
        figure = evaluation.column_chart(
            why["column_scores"][0], detector.column_names, float(why["code_score"][0])
        )
        figure.savefig(Path(out, "why.png"))
    print(f"""
aae-tf serve {out}/saved_models --rest-port 8501
curl -d '{{"signature_name": "score", "instances": [{{"bytes": 900.0, "seconds": 0.2,
  "packets": 9.0, "protocol": "udp", "service": "backup"}}]}}' \\
  localhost:8501/v1/models/autoencoder:predict""")


if __name__ == "__main__":
    main(*sys.argv[1:2])
