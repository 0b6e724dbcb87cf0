#!/usr/bin/env python3
"""Writes the vectors of this folder with Python's own JSON, SHA-256 and float printing, from a study written by hand."""
import hashlib
import json
import pathlib
import random
import struct

FOLDER = pathlib.Path(__file__).resolve().parent


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def category(name, *codes):
    body = {"codes": list(codes), "unknownCode": "refuse", "dropFirst": "true", "standardize": "true"}
    return {"name": name, "category": body, "missing": []}


def number(name, unit, minimum, maximum, out_of_range="refuse"):
    body = {"unit": unit, "minimum": minimum, "maximum": maximum, "outOfRange": out_of_range}
    return {"name": name, "number": body, "missing": []}


HEART_DISEASE = {
    "study": "heart-disease",
    "title": "Heart disease in four hospitals",
    "purpose": "Estimate from ten findings of a cardiological examination whether angiography would show a coronary "
    "narrowing of more than half, and compare the estimate between women and men and between age groups.",
    "task": "binary",
    "data": {
        "columns": [
            {"name": "patient", "patientKey": {}, "missing": []},
            number("age", "years", "0", "120"),
            category("sex", "0", "1"),
            category("cp", "1", "2", "3", "4"),
            number("trestbps", "mm[Hg]", "50", "260", "missing"),
            number("chol", "mg/dL", "50", "700", "missing"),
            category("fbs", "0", "1"),
            category("restecg", "0", "1", "2"),
            number("thalach", "/min", "40", "250"),
            category("exang", "0", "1"),
            number("oldpeak", "mm", "-5", "10"),
            {"name": "num", "label": {"positive": ["1", "2", "3", "4"], "negative": ["0"]}, "missing": []},
            {"name": "sexGroup", "group": {"codes": ["0", "1"]}, "missing": []},
            {"name": "ageGroup", "group": {"bands": ["45", "55", "65"]}, "missing": []},
            {"name": "split", "split": {"train": ["train"], "test": ["test"]}, "missing": []},
        ],
        "holdout": {"testFraction": "0.2", "seed": "0"},
    },
    "model": {"layers": [{"dense": {"units": 1, "activation": "linear", "bias": "true"}}]},
    "training": {
        "optimizer": {"sgd": {"momentum": "0", "nesterov": "false", "weightDecay": "0"}},
        "learningRate": "0.01",
        "schedule": {"constant": {}},
        "batchSize": 4,
        "localSteps": 100,
        "seed": "1",
    },
    "federation": {
        "strategy": {"fedAvg": {}},
        "rounds": 15,
        "minimumSites": 3,
        "requiredSites": [],
        "participation": "1",
        "progress": {
            "joinSeconds": "5",
            "stallSeconds": "60",
            "stragglerFactor": "4",
            "stragglerSeconds": "10",
            "absenceSeconds": "600",
            "attempts": 5,
        },
        "numbers": {"valueBits": 20, "clip": "1", "weightUnit": 32, "maximumWeight": 64},
    },
    "evaluation": {"everyRounds": 5, "bins": 1024},
}


def decimal_text(value):
    """Shortest digits that read back; plain from 1e-4 to 2^53, else d.ddde±x without padding."""
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{value!r}".partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    # The position of the decimal point, counted from the first significant digit.
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if 1e-4 <= abs(value) <= 2**53:
        if point <= 0:
            return f"{sign}0.{'0' * -point}{digits}"
        padded = digits.ljust(point, "0")
        return sign + padded[:point] + ("." + padded[point:] if padded[point:] else "")
    return sign + digits[0] + ("." + digits[1:] if digits[1:] else "") + f"e{point - 1}"


def decimals():
    values = [0.0, 1.0, -1.0, 15.0, 0.01, 0.1, 1e-3, 1e-4, 9.999e-5, 1e-5, -1e-5, 1.5e-7, 1e-8, 0.2, 1 / 3, 2 / 3, 120.0]
    values += [1e15, 1e16, 1.2e16, 2.0**53, 2.0**53 + 2, 2.0**53 - 1, 2.0**54, 1e17, 123456789012345680.0, 1e21, 1e22, 1e23, 1e300]
    values += [1.7976931348623157e308, 5e-324, 2.2250738585072014e-308, 604800.0, 4.35, 0.000123, 123456.789]
    draw = random.Random(20240607)
    while len(values) < 500:
        value = struct.unpack("<d", draw.getrandbits(64).to_bytes(8, "little"))[0]
        if value == value and abs(value) != float("inf"):
            values.append(value)
    values += [round(draw.uniform(-1000, 1000), draw.randrange(0, 12)) for _ in range(500)]
    return [{"bits": struct.pack(">d", v).hex(), "text": decimal_text(v)} for v in values]


def main():
    study = canonical(HEART_DISEASE)
    (FOLDER / "heart-disease.json").write_bytes(study)
    digest = hashlib.sha256(b"consilium/study/v1\n" + study).hexdigest()
    (FOLDER / "heart-disease.sha256").write_text(digest + "\n")
    rows = decimals()
    assert all(float(row["text"]) == struct.unpack(">d", bytes.fromhex(row["bits"]))[0] for row in rows)
    (FOLDER / "decimal-text.json").write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


if __name__ == "__main__":
    main()
