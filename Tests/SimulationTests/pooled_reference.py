#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# An independent pooled training of studies/heart-disease.yaml in numpy; PooledReferenceTests quotes what it prints.
"""Usage: Tests/SimulationTests/pooled_reference.py  (needs numpy)"""

import csv
import pathlib

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]
RANGES = {"age": (0, 120), "trestbps": (50, 260), "chol": (50, 700), "thalach": (40, 250), "oldpeak": (-5, 10)}
CODES = {"sex": "01", "cp": "1234", "fbs": "01", "restecg": "012", "exang": "01"}
ORDER = ["age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak"]


def read():
    rows = []
    for site in sorted((ROOT / "sites").glob("*/patients.csv")):
        with open(site, newline="") as file:
            rows += list(csv.DictReader(file))
    return [row for row in rows if row["num"] not in ("", "?")]


def number(text):
    try:
        return float(text)
    except ValueError:
        return float("nan")


def columns(rows, train):
    result = []
    for name in ORDER:
        values = numpy.array([number(row[name]) for row in rows])
        if name in RANGES:
            low, high = RANGES[name]
            values[(values < low) | (values > high)] = numpy.nan
            seen = values[train & ~numpy.isnan(values)]
            result.append(numpy.nan_to_num((values - seen.mean()) / seen.std(), nan=0.0))
            continue
        codes = [float(code) for code in CODES[name]]
        counts = [(values[train] == code).sum() for code in codes]
        values[numpy.isnan(values)] = codes[int(numpy.argmax(counts))]
        present = sum(counts)
        for code, count in list(zip(codes, counts))[1:]:
            share = count / present
            result.append(((values == code) - share) / numpy.sqrt(share * (1 - share)))
    return numpy.stack(result, axis=1)


def auc(scores, labels):
    positive, negative = scores[labels == 1], scores[labels == 0]
    wins = (positive[:, None] > negative[None, :]).sum() + 0.5 * (positive[:, None] == negative[None, :]).sum()
    return wins / (len(positive) * len(negative))


def main():
    rows = read()
    train = numpy.array([row["split"] == "train" for row in rows])
    test = numpy.array([row["split"] == "test" for row in rows])
    labels = numpy.array([float(float(row["num"]) > 0) for row in rows])
    inputs = columns(rows, train)
    figures = []
    for seed in range(20):
        generator = numpy.random.default_rng(seed)
        bound = numpy.sqrt(6 / (inputs.shape[1] + 1))
        weights, bias = generator.uniform(-bound, bound, inputs.shape[1]), 0.0
        x, t = inputs[train], labels[train]
        order, place = generator.permutation(len(t)), 0
        for _ in range(1500):
            if place >= len(order):
                order, place = generator.permutation(len(t)), 0
            batch = order[place:place + 4]
            place += 4
            error = 1 / (1 + numpy.exp(-(x[batch] @ weights + bias))) - t[batch]
            weights -= 0.01 * (x[batch].T @ error) / len(batch)
            bias -= 0.01 * error.mean()
        scores = 1 / (1 + numpy.exp(-(inputs[test] @ weights + bias)))
        figures.append((((scores >= 0.5) == labels[test]).mean(), auc(scores, labels[test])))
    accuracy, area = numpy.array(figures).T
    print(f"rows {train.sum()} train, {test.sum()} test, {inputs.shape[1]} inputs")
    print(f"accuracy {accuracy.mean():.4f} ± {accuracy.std():.4f}, AUC {area.mean():.4f} ± {area.std():.4f}")


main()
