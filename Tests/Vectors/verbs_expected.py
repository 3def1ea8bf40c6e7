#!/usr/bin/env python3
"""Makes verbs-expected.json: random small tables, and what Polars makes of them by every verb.

    pip install polars==2.1.0 && python3 Tests/Vectors/verbs_expected.py

DifferentialTests.swift runs the verbs of the same names. Run this without arguments only when a
verb is added or meant to change; its output is committed. With --count it makes as many wilder
cases from --first on, for one run of the tests (scripts/differential). All values are texts: floats
with nine digits.
"""

import argparse
import datetime
import json
import math
import pathlib
import random

import polars as pl

OUT = pathlib.Path(__file__).parent / "verbs-expected.json"
TYPES = {
    "int8": pl.Int8, "int16": pl.Int16, "int32": pl.Int32, "int64": pl.Int64, "uint8": pl.UInt8,
    "uint16": pl.UInt16, "uint32": pl.UInt32, "uint64": pl.UInt64, "float32": pl.Float32,
    "float64": pl.Float64, "bool": pl.Boolean, "string": pl.String, "date": pl.Date,
    "datetime": pl.Datetime("us"), "duration": pl.Duration("us"),
}
KEYS = [name for name in TYPES if name != "duration"]
TEXTS = ["", "a", "Ab", "äß", "日本", "a b ", "zz", "abcdefghijklmnop", "x%y_z", "🙂"]
WILD_TEXTS = TEXTS + ["e\u0301x", "Ωmega", "a\0b", "%", "_a", "\U0010ffff", "aaaaaaaabaaaaaaaac",
                      "aaaaaaaabaaaaaaaad", "ñ" * 40, "\t z"]
EPOCH = datetime.datetime(1970, 1, 1)


def value(rng, kind, spread, texts=TEXTS):
    number = rng.randrange(spread)
    if kind in ("int8", "uint8"):
        number %= 100
        spread = min(spread, 100)
    if kind == "bool":
        return number % 2 == 0
    if kind == "string":
        return texts[number % len(texts)] + (str(number) if number >= len(texts) else "")
    if kind.startswith("float"):
        return [math.nan, 0.0, -0.0, -1.5, 2.25][number] if number < 5 else number * 0.25
    if kind == "date":
        return datetime.date(1970, 1, 1) + datetime.timedelta(days=number * 97 - 200)
    if kind == "datetime":
        return EPOCH + datetime.timedelta(microseconds=number * 86_399_000_001 - 5_000_000)
    if kind == "duration":
        return datetime.timedelta(microseconds=number * 1_000_001 - 3_000_000)
    if kind == "uint64":
        return number if number < 4 else 2**64 - number
    return number if kind.startswith("uint") else number - spread // 2


def column(rng, kind, count, spread, nulls):
    values = [None if rng.random() < nulls else value(rng, kind, spread) for _ in range(count)]
    return pl.Series(values, dtype=TYPES[kind], strict=False)


def wild_column(rng, kind, count):
    """All values equal or different, or one of them frequent; no nulls, some, or nothing else."""
    spread = rng.choice([1, 2, 5, 30, 9000])
    nulls = rng.choice([0, 0, 0.1, 0.5, 1 if rng.random() < 0.3 else 0.2])
    favourite = value(rng, kind, spread, WILD_TEXTS)
    skew = rng.choice([0, 0, 0.6, 0.95])
    values = []
    for _ in range(count):
        own = favourite if rng.random() < skew else value(rng, kind, spread, WILD_TEXTS)
        values.append(None if rng.random() < nulls else own)
    return pl.Series(values, dtype=TYPES[kind], strict=False)


def wild_table(rng, kinds, count):
    return pl.DataFrame({name: wild_column(rng, kind, count) for name, kind in kinds.items()})


def table(rng, kinds, count, spread, nulls):
    return pl.DataFrame({name: column(rng, kind, count, spread, nulls)
                         for name, kind in kinds.items()})


def text(cell):
    if cell is None:
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        if math.isnan(cell):
            return "nan"
        return "%.9g" % (cell + 0.0 if cell != 0 else 0.0)
    if isinstance(cell, datetime.datetime):
        return str((cell - EPOCH) // datetime.timedelta(microseconds=1))
    if isinstance(cell, datetime.date):
        return str((cell - EPOCH.date()).days)
    if isinstance(cell, datetime.timedelta):
        return str(cell // datetime.timedelta(microseconds=1))
    return str(cell)


def rows(frame):
    return [[text(cell) for cell in row] for row in frame.rows()]


def joins(left, right):
    other = right.rename({"v": "w", "s": "t"}).drop("x")
    for how in ["inner", "left", "right", "full", "semi", "anti"]:
        for keys in [["k"], ["k", "g"]]:
            options = {"coalesce": True} if how in ("full", "left", "right") else {}
            joined = left.join(other, on=keys, how=how, nulls_equal=False, **options)
            rest = [name for name in other.columns if name not in keys]
            names = left.columns + [name + "_right" if name in left.columns else name
                                    for name in rest]
            order = left.columns if how in ("semi", "anti") else names
            yield f"join {how} {len(keys)}", joined.select(order), False
    yield "cross", left.select("k", "v").head(9).join(
        right.select(pl.col("g").alias("h")).head(5), how="cross"), True


def groups(left):
    for keys in [["k"], ["k", "g"], ["s"]]:
        name = " ".join(keys)
        yield f"group {name}", left.group_by(keys, maintain_order=True).agg(
            pl.col("v").sum().alias("sum"), pl.col("x").sum().alias("xsum"),
            pl.col("v").mean().alias("mean"), pl.col("v").min().alias("min"),
            pl.col("x").max().alias("xmax"), pl.col("v").count().alias("count"),
            pl.len().alias("len")), False
        yield f"whole {name}", left.group_by(keys, maintain_order=True).agg(
            pl.col("v").first().alias("first"), pl.col("s").last().alias("last"),
            pl.col("v").std().alias("std"), pl.col("v").var().alias("var"),
            pl.col("x").n_unique().alias("n"), pl.col("v").median().alias("median"),
            pl.col("v").quantile(0.3, interpolation="linear").alias("q")), False


def expressions(left):
    v, x, s, t = pl.col("v"), pl.col("x"), pl.col("s"), pl.col("t")
    yield "strings", left.select(
        s.str.len_bytes().alias("a"), s.str.len_chars().alias("b"),
        s.str.to_lowercase().alias("c"), s.str.to_uppercase().alias("d"),
        s.str.strip_chars().alias("e"), s.str.contains("a", literal=True).alias("f"),
        s.str.starts_with("a").alias("g"), s.str.ends_with("z").alias("h"),
        s.str.slice(1, 2).alias("i"), s.str.replace_all("a", "<>", literal=True).alias("j"),
        s.str.contains("^[a-z]+$").alias("l"), s.str.extract("([a-z])([0-9])", 2).alias("m"),
        s.str.replace_all("[0-9]", "#").alias("n")), True
    yield "times", left.select(
        t.dt.year().alias("a"), t.dt.month().alias("b"), t.dt.day().alias("c"),
        t.dt.hour().alias("d"), t.dt.minute().alias("e"), t.dt.second().alias("f"),
        t.dt.microsecond().alias("g"), t.dt.weekday().alias("h"), t.dt.week().alias("i"),
        t.dt.ordinal_day().alias("j"), t.dt.quarter().alias("k"),
        t.dt.truncate("1mo").alias("l"), t.dt.truncate("1h").alias("m"),
        t.dt.truncate("1w").alias("n"), t.dt.offset_by("-5mo").alias("o"),
        t.dt.strftime("%d.%m.%Y %H:%M:%S").alias("p"), t.dt.date().alias("q")), True
    yield "numbers", left.select(
        (v + 1).cast(pl.Int64).alias("a"), (v.cast(pl.Int64) % 3).alias("b"),
        (v.cast(pl.Int64) // 3).alias("c"), (v / 4).alias("d"), x.abs().alias("e"),
        x.floor().alias("f"), x.ceil().alias("g"), x.is_nan().alias("h"),
        x.fill_nan(7.0).alias("i"), v.fill_null(9).alias("j"),
        pl.when(v > 1).then(1).when(v < 0).then(-1).otherwise(0).alias("k"),
        v.is_in([1, 2, 3]).alias("l"), v.is_between(0, 2).alias("m"),
        pl.min_horizontal(x.fill_nan(None), v).cast(pl.Float64).alias("n"),
        ((v > 0) & (s == "a")).alias("o"), ((v > 0) | (s == "a")).alias("p"),
        v.is_null().alias("q")), True


def sets(left, right):
    every = left.columns
    yield "union", pl.concat([left, right]).unique(), False
    different, others = left.unique(), right.unique()
    yield "intersect", different.join(others, on=every, how="semi", nulls_equal=True), False
    yield "subtract", different.join(others, on=every, how="anti", nulls_equal=True), False


def whole(left):
    v, x, s = pl.col("v"), pl.col("x").fill_nan(None), pl.col("s")
    yield "aggregate", left.select(
        v.sum().alias("a"), v.mean().alias("b"), v.min().alias("c"), v.max().alias("d"),
        v.count().alias("e"), v.first().alias("f"), s.last().alias("g"), v.std().alias("h"),
        pl.col("x").n_unique().alias("i"), s.n_unique().alias("j"), v.median().alias("k"),
        x.quantile(0.3, interpolation="linear").alias("l"), x.median().alias("m"),
        v.quantile(1, interpolation="linear").alias("n"), s.min().alias("o"), s.max().alias("p"),
        pl.len().alias("q")), True


def description(left):
    numbers = left.select(pl.col("v").cast(pl.Float64), pl.col("x").fill_nan(None))
    each = pl.all()
    statistics = {"count": each.count().cast(pl.Float64),
                  "nulls": each.null_count().cast(pl.Float64), "mean": each.mean(),
                  "std": each.std(), "min": each.min(), "max": each.max()}
    yield "describe", pl.concat([numbers.select(pl.lit(name).alias("statistic"), value)
                                 for name, value in statistics.items()]), True


def placements(left):
    """The same rows elsewhere, and random ones of which only the number is known."""
    for verb in ["rebalance", "gather", "replicate", "sample all"]:
        yield verb, left, True
    yield "repartition", left, False
    yield "shuffle", left, False
    yield "sample count", pl.DataFrame({"len": [min(7, left.height)]}), True
    yield "sample others", left.clear(), True


def cases(left, right):
    yield from joins(left, right)
    yield from groups(left)
    yield from sets(left, right)
    yield from whole(left)
    yield from description(left)
    yield from placements(left)
    yield "head", left.head(7), True
    yield "sort 1", left.sort("k", nulls_last=True, maintain_order=True), True
    yield "sort 2", left.sort(["s", "g", "v"], descending=[True, False, True],
                              nulls_last=[True, False, False], maintain_order=True), True
    yield "filter", left.filter((pl.col("v") > 0) & pl.col("s").is_not_null()), True
    yield "unique", left.unique(maintain_order=True), False
    yield "unique k", left.unique(subset=["k"], keep="first", maintain_order=True), False
    yield "top", left.sort(["s", "v"], descending=[True, False], nulls_last=True,
                           maintain_order=True).head(7), True
    yield "tail", left.tail(5), True
    yield "slice", left.slice(3, 11), True
    yield "index", left.with_row_index("n").filter(pl.col("v") > 0), True
    yield "counts", left.group_by("s").agg(pl.len().alias("count")).sort(
        ["count", "s"], descending=[True, False], nulls_last=True), True
    yield "concat", pl.concat([left, right]), False


def case(seed, kinds, left, right):
    answers = []
    for name, frame, is_ordered in [*cases(left.drop("t"), right), *expressions(left)]:
        answers.append({"verb": name, "ordered": is_ordered, "rows": rows(frame)})
    return {"seed": seed, "types": [list(pair) for pair in kinds.items()],
            "left": rows(left), "right": rows(right), "answers": answers}


def committed_case(seed):
    rng = random.Random(seed)
    key = KEYS[seed % len(KEYS)] if seed < len(KEYS) else rng.choice(KEYS)
    kinds = {"k": key, "g": rng.choice(["int8", "bool", "string", "date"]),
             "v": rng.choice(["int16", "int32", "int64"]), "x": "float64", "s": "string",
             "t": "datetime"}
    sizes = [(24, 18), (24, 18), (0, 6), (20, 0), (1, 1), (30, 24)][seed % 6]
    nulls = [0.15, 0, 0.4][seed % 3]
    left = table(rng, kinds, sizes[0], 12, nulls)
    right = table(rng, kinds, sizes[1], 12, nulls).drop("t")
    return case(seed, kinds, left, right)


def wild_case(seed):
    rng = random.Random(1_000_000 + seed)
    kinds = {"k": rng.choice(KEYS), "g": rng.choice(KEYS),
             "v": rng.choice(["int8", "int16", "int32", "int64"]), "x": "float64", "s": "string",
             "t": "datetime"}
    sizes = [rng.choice([0, 1, 2, 9, 40, 70]) for _ in range(2)]
    left = wild_table(rng, kinds, sizes[0])
    right = wild_table(rng, kinds, sizes[1]).drop("t")
    if rng.random() < 0.5 and sizes[0] and sizes[1]:
        # Rows that both sides have.
        right = pl.concat([right, left.drop("t").sample(min(5, sizes[0]), seed=seed)])
    return case(seed, kinds, left, right)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, help="so many wild cases instead of the committed ones")
    parser.add_argument("--output", type=pathlib.Path, default=OUT)
    options = parser.parse_args()
    if options.count is None:
        out = [committed_case(seed) for seed in range(12)]
    else:
        out = [wild_case(seed) for seed in range(options.first, options.first + options.count)]
    lines = ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in out)
    options.output.write_text("[\n" + lines + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
