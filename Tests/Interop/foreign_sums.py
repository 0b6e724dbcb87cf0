# SPDX-License-Identifier: Apache-2.0
# Tables, models and packed vectors of the protocol in Python's standard library alone, for the foreign site.
"""study.md and round.md: what a site computes from its rows and sends as integers."""

import csv
import datetime
import json
import math
import random
import struct

from foreign_wire import ProtocolError

UNITS = 1 << 20


# ---- A site's table under a study's contract (study.md) -------------------------------------------------------------

def single(value):
    """The nearest float32: the precision in which a site holds its table."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


def day(text):
    return datetime.date.fromisoformat(text).toordinal()


class Table:
    """Rows as values: floats and days, indices of codes, None for missing. Its columns have the contract's names."""

    def __init__(self, path, contract):
        columns = [(column["name"], next(key for key in column if key not in ("name", "missing")), column)
                   for column in contract["columns"]]
        self.features = [(name, kind, column[kind]) for name, kind, column in columns
                         if kind in ("number", "date", "category")]
        missing = {name: [""] + column["missing"] for name, _, column in columns}
        label, self.label = next((name, column["label"]) for name, kind, column in columns if kind == "label")
        split, terms = next(((name, column["split"]) for name, kind, column in columns if kind == "split"), (None, {}))
        self.rows = {"train": [], "test": []}
        with open(path, newline="", encoding="utf-8-sig") as file:
            for line in csv.DictReader(file):
                row = {name: text for name, text in line.items() if text.strip() not in missing.get(name, [])}
                if label not in row:
                    continue
                values = [self.value(kind, terms, row.get(name)) for name, kind, terms in self.features]
                parts = [part for part in terms if row.get(split) in terms[part]] if split else ["train"]
                for part in parts:
                    self.rows[part].append((values, self.label_value(row[label])))

    @staticmethod
    def range(kind, terms):
        if kind == "date":
            return day(terms["earliest"]), day(terms["latest"])
        return float(terms["minimum"]), float(terms["maximum"])

    def value(self, kind, terms, text):
        if text is None:
            return None
        if kind == "category":
            if text in terms["codes"]:
                return terms["codes"].index(text)
            if terms["unknownCode"] == "missing":
                return None
            raise ValueError("a code that the contract does not know")
        low, high = self.range(kind, terms)
        value = float(day(text) if kind == "date" else text)
        if low <= value <= high:
            return single(value)
        if terms["outOfRange"] == "refuse":
            raise ValueError("a value out of the contract's range")
        return None if terms["outOfRange"] == "missing" else single(min(max(value, low), high))

    def label_value(self, text):
        if "unit" in self.label:
            return single(float(text))
        if "classes" in self.label:
            return self.label["classes"].index(text)
        if text in self.label["positive"]:
            return 1
        if text in self.label["negative"]:
            return 0
        raise ValueError("a label that the contract does not know")

    def statistics(self):
        """round.md §7: the one section of a statistics round."""
        rows, out = self.rows["train"], []

        def moments(values, low, high):
            shares = [min(max((value - low) / (high - low), 0), 1) for value in values]
            units = [(math.floor(2**30 * share + 0.5), math.floor(2**30 * share * share + 0.5)) for share in shares]
            return [len(units), sum(unit for unit, _ in units), sum(square for _, square in units)]

        for index, (_, kind, terms) in enumerate(self.features):
            column = [values[index] for values, _ in rows]
            if kind == "category":
                out += [column.count(code) for code in range(len(terms["codes"]))] + [column.count(None)]
            else:
                out += moments([value for value in column if value is not None], *self.range(kind, terms))
        labels = [label for _, label in rows]
        if "unit" in self.label:
            out += moments(labels, *self.range("number", self.label))
        else:
            out += [labels.count(number) for number in range(len(self.label.get("classes", "ab")))]
        return out + [len(rows)]


# ---- Models (model-file.md) -----------------------------------------------------------------------------------------

class Model:
    def __init__(self, data, study_hash):
        size = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + size])
        about = header.pop("__metadata__")
        if about["consilium.format"] != "1" or about["consilium.studyHash"] != study_hash.hex():
            raise ProtocolError("the model file is not one of this study")
        self.study = json.loads(about["consilium.study"])
        self.preprocessing = json.loads(about["consilium.preprocessing"])
        tensors = sorted(header.items(), key=lambda entry: entry[1]["data_offsets"])
        self.tensors = {}
        for name, tensor in tensors:
            first, last = tensor["data_offsets"]
            self.tensors[name] = struct.unpack(f"<{(last - first) // 4}f", data[8 + size + first:8 + size + last])
        self.count = sum(map(len, self.tensors.values()))

    def inputs(self, table, values):
        """round.md §7, preprocessing."""
        out = []
        for (_, kind, terms), rule, value in zip(table.features, self.preprocessing, values):
            if kind != "category":
                out.append(0.0 if value is None else (value - float(rule["mean"])) / float(rule["deviation"]))
                continue
            code = (None if rule["fill"] == "none" else rule["fill"]) if value is None else value
            kept = range(1 if terms["dropFirst"] == "true" else 0, len(terms["codes"]))
            out += [((code == number) - float(center)) / float(scale)
                    for number, center, scale in zip(kept, rule["centers"], rule["scales"])]
        return out

    def outputs(self, values):
        activations = {"linear": lambda x: x, "relu": lambda x: max(x, 0.0), "tanh": math.tanh,
                       "sigmoid": lambda x: 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))}
        for number, layer in enumerate(self.study["model"]["layers"]):
            if "dense" not in layer:
                continue
            weights, biases = self.tensors[f"{number}.weight"], self.tensors[f"{number}.bias"]
            width, activate = len(values), activations[layer["dense"]["activation"]]
            values = [activate(bias + sum(w * x for w, x in zip(weights[unit * width:(unit + 1) * width], values)))
                      for unit, bias in enumerate(biases)]
        if self.study["task"] == "binary":
            return [activations["sigmoid"](values[0])]
        if self.study["task"] == "multiclass":
            powers = [math.exp(value - max(values)) for value in values]
            return [power / sum(powers) for power in powers]
        return values

    def evaluation(self, table, part):
        """round.md §9: the sections `positives`, `negatives` and `moments` over the rows of a part."""
        bins, task = self.study["evaluation"]["bins"], self.study["task"]
        tables = {"binary": 1, "multiclass": len(table.label.get("classes", ())), "regression": 0}[task]
        positives, negatives, moments = [0] * (tables * bins), [0] * (tables * bins), [0] * 7

        def add(moment, value):
            moments[moment] += math.floor(value * UNITS + 0.5)

        for values, label in table.rows[part]:
            outputs = self.outputs(self.inputs(table, values))
            moments[0] += 1
            if task == "regression":
                low, high = table.range("number", table.label)
                error, place = abs(outputs[0] - label) / (high - low), (label - low) / (high - low)
                for moment, value in ((3, error**2), (4, error), (5, place), (6, place**2)):
                    add(moment, min(value, 1000))
                continue
            hot = [label] if task == "binary" else [int(number == label) for number in range(tables)]
            for number, (score, target) in enumerate(zip(outputs, hot)):
                (positives if target else negatives)[number * bins + min(int(score * bins), bins - 1)] += 1
                add(3, (score - target)**2)
            if task == "binary":
                chance, right = (outputs[0] if label else 1 - outputs[0]), (outputs[0] >= 0.5) == bool(label)
            else:
                chance, right = outputs[label], outputs.index(max(outputs)) == label
            moments[1] += right
            add(2, min(30, -math.log(max(chance, 1e-13))))
        return positives, negatives, moments


# ---- Vectors (round.md §6) ------------------------------------------------------------------------------------------

def packed(values, bits):
    """A section: element i takes the bits i·b … of it, least significant first, and zeros fill its last byte."""
    if bits % 8 == 0:
        return b"".join((value & (1 << bits) - 1).to_bytes(bits // 8, "little") for value in values)
    number = "".join(format(value & (1 << bits) - 1, f"0{bits}b") for value in reversed(values))
    return int(number, 2).to_bytes((len(number) + 7) // 8, "little")


def quantised(value, largest, clip):
    scaled = min(max(value, -clip), clip) * (largest / clip)
    low = math.floor(scaled)
    return min(max(low + (random.SystemRandom().random() < scaled - low), -largest), largest)


def update_vector(study, table, model, sites, change):
    """round.md §8: a training round's vector that says "each parameter has changed by `change`"."""
    numbers, strategy = study["federation"]["numbers"], next(iter(study["federation"]["strategy"]))
    rows, steps = len(table.rows["train"]), study["training"].get("localSteps", 1)
    weight = min(numbers["maximumWeight"], max(1, -(-rows // numbers["weightUnit"])))
    largest, clip = (1 << numbers["valueBits"] - 1) - 1, float(numbers["clip"])
    bits = (2 * sites * numbers["maximumWeight"] * largest).bit_length()
    scaled = change * (64 / steps if strategy == "fedNova" else 1)
    moments = model.evaluation(table, "train")[2]
    loss = (moments[3] if study["task"] == "regression" else moments[2]) / UNITS / max(moments[0], 1)
    totals = [weight, round(weight * loss * UNITS), round(weight * steps * UNITS), rows,
              model.count if abs(scaled) > clip else 0]
    vector = packed([weight * quantised(scaled, largest, clip) for _ in range(model.count)], bits) + packed(totals, 64)
    return vector + (packed([0] * model.count, bits) if strategy == "scaffold" else b"")
