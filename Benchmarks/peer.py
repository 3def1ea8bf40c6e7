"""One engine, one operation, one process: `peer.py ENGINE OP THREADS REPETITIONS SECONDS FILE...`.

The files are the input frames in Arrow's IPC format. Prints one JSON line per repetition, then one
with the answer. Input is in the engine's own memory format before the clock starts; the whole
output is materialised before it stops. After SECONDS no further repetition begins.
"""

import json
import os
import sys
import time

ENGINE, OP, THREADS = sys.argv[1], sys.argv[2], int(sys.argv[3])
os.environ["POLARS_MAX_THREADS"] = str(THREADS)
os.environ["OMP_NUM_THREADS"] = str(THREADS)

import pyarrow as pa  # noqa: E402

import generated  # noqa: E402

pa.set_cpu_count(THREADS)

# What each operation is, in SQL; polars, pyarrow and pandas say the same below.
JOIN = "select l.col0, l.col1, r.col1 as col1_right from f0 l join f1 r on l.col0 = r.col0"
SQL = {
    "join": JOIN,
    "join-sparse": JOIN,
    "join-string": JOIN,
    "join-skewed": JOIN,
    "join-left": JOIN.replace(" join ", " left join "),
    "join-two-keys": "select l.key0, l.key1, l.col1, r.col1 as col1_right from f0 l "
    "join f1 r on l.key0 = r.key0 and l.key1 = r.key1",
    "q1": "select id1, cast(sum(v1) as bigint) as v1_sum from f0 group by id1",
    "q2": "select id1, id2, cast(sum(v1) as bigint) as v1_sum from f0 group by id1, id2",
    "q3": "select id3, cast(sum(v1) as bigint) as v1_sum, avg(v3) as v3_mean from f0 group by id3",
    "q4": "select id4, avg(v1) as v1_mean, avg(v2) as v2_mean, avg(v3) as v3_mean from f0 "
    "group by id4",
    "q5": "select id6, cast(sum(v1) as bigint) as v1_sum, cast(sum(v2) as bigint) as v2_sum, sum(v3) as v3_sum from f0 group by id6",
    "q10": "select id1, id2, id3, id4, id5, id6, sum(v3) as v3_sum, count(*) as count from f0 "
    "group by id1, id2, id3, id4, id5, id6",
    "groupby-nulls": "select id, coalesce(sum(v), 0) as v_sum, count(v) as v_count from f0 group by id",
    "sort": "select key, value from f0 order by key",
    "sort-string": "select id3, v3 from f0 order by id3",
    "unique": "select distinct key from f0",
    "unique-sparse": "select distinct key from f0",
    "aggregate": "select sum(v) as v_sum, min(v) as v_min, max(v) as v_max, avg(v) as v_mean from f0",
    "filter": "select v from f0 where v > 0.5",
}

# Keys and aggregates of the group-bys: (column, function, name).
GROUPS = {
    "q1": (["id1"], [("v1", "sum", "v1_sum")]),
    "q2": (["id1", "id2"], [("v1", "sum", "v1_sum")]),
    "q3": (["id3"], [("v1", "sum", "v1_sum"), ("v3", "mean", "v3_mean")]),
    "q4": (["id4"], [(v, "mean", f"{v}_mean") for v in ("v1", "v2", "v3")]),
    "q5": (["id6"], [(v, "sum", f"{v}_sum") for v in ("v1", "v2", "v3")]),
    "q10": (
        ["id1", "id2", "id3", "id4", "id5", "id6"],
        [("v3", "sum", "v3_sum"), ("v3", "count", "count")],
    ),
    "groupby-nulls": (["id"], [("v", "sum", "v_sum"), ("v", "count", "v_count")]),
}
JOIN_KEYS = {"join-two-keys": ["key0", "key1"]}


def polars_engine(tables, engine):
    import polars as pl

    assert pl.thread_pool_size() == THREADS
    frames = [pl.from_arrow(table, rechunk=True).lazy() for table in tables]
    first = frames[0]
    if OP.startswith("join"):
        keys = JOIN_KEYS.get(OP, ["col0"])
        query = first.join(frames[1], on=keys, how="left" if OP == "join-left" else "inner")
    elif OP in GROUPS:
        keys, aggregates = GROUPS[OP]
        query = first.group_by(keys).agg(
            getattr(pl.col(column), function)().alias(name)
            for column, function, name in aggregates
        )
    elif OP in ("sort", "sort-string"):
        query = first.sort("key" if OP == "sort" else "id3")
    elif OP.startswith("unique"):
        query = first.unique()
    elif OP == "filter":
        query = first.filter(pl.col("v") > 0.5)
    else:
        v = pl.col("v")
        query = first.select(
            v.sum().alias("v_sum"),
            v.min().alias("v_min"),
            v.max().alias("v_max"),
            v.mean().alias("v_mean"),
        )
    return lambda: query.collect(engine=engine), lambda frame: frame.to_arrow()


def duckdb_engine(tables):
    import duckdb

    connection = duckdb.connect(":memory:")
    connection.execute(f"set threads = {THREADS}")
    connection.execute("set preserve_insertion_order = false")
    for index, table in enumerate(tables):
        connection.register("source", table)
        connection.execute(f"create table f{index} as select * from source")
        connection.unregister("source")
    return lambda: connection.sql(SQL[OP]).to_arrow_table(), lambda table: table


def datafusion_engine(tables):
    import datafusion

    configuration = datafusion.SessionConfig().with_target_partitions(THREADS)
    context = datafusion.SessionContext(configuration)
    for index, table in enumerate(tables):
        # Its fastest string type, and as many partitions as threads.
        fields = [
            pa.field(f.name, pa.string_view() if pa.types.is_large_string(f.type) else f.type)
            for f in table.schema
        ]
        table = table.cast(pa.schema(fields))
        share = -(-table.num_rows // THREADS)
        parts = [
            table.slice(part * share, share).to_batches(max_chunksize=8192)
            for part in range(THREADS)
        ]
        context.register_record_batches(f"f{index}", parts)
    return lambda: context.sql(SQL[OP]).collect(), pa.Table.from_batches


def pyarrow_engine(tables):
    import pyarrow.compute as pc

    first = tables[0]
    threads = THREADS > 1
    if OP in GROUPS:
        keys, aggregates = GROUPS[OP]

        def run():
            grouped = first.group_by(keys, use_threads=threads)
            return grouped.aggregate([(c, f) for c, f, _ in aggregates])

        names = keys + [name for _, _, name in aggregates]
        return run, lambda table: table.select(
            keys + [f"{c}_{f}" for c, f, _ in aggregates]
        ).rename_columns(names)
    if OP.startswith("unique"):
        return (
            lambda: first.group_by(["key"], use_threads=threads).aggregate([]),
            lambda table: table,
        )
    if OP == "filter":
        return lambda: first.filter(pc.greater(first["v"], 0.5)), lambda table: table
    if OP == "aggregate":

        def aggregates():
            extremes = pc.min_max(first["v"])
            values = [pc.sum(first["v"]), extremes["min"], extremes["max"], pc.mean(first["v"])]
            return [value.as_py() for value in values]

        names = ["v_sum", "v_min", "v_max", "v_mean"]
        return aggregates, lambda values: pa.table({n: [v] for n, v in zip(names, values)})
    if OP.startswith("join"):
        second = tables[1]
        keys = JOIN_KEYS.get(OP, ["col0"])
        kind = "left outer" if OP == "join-left" else "inner"
        return (
            lambda: first.join(
                second, keys, join_type=kind, right_suffix="_right", use_threads=threads
            ),
            lambda table: table,
        )
    key = "key" if OP == "sort" else "id3"
    return lambda: first.sort_by(key), lambda table: table


def pandas_engine(tables):
    import pandas as pd

    frames = [table.to_pandas(types_mapper=None) for table in tables]
    first = frames[0]
    if OP.startswith("join"):
        keys = JOIN_KEYS.get(OP, ["col0"])
        how = "left" if OP == "join-left" else "inner"
        run = lambda: first.merge(frames[1], on=keys, how=how, suffixes=("", "_right"))  # noqa: E731
    elif OP in GROUPS:
        keys, aggregates = GROUPS[OP]
        named = {name: pd.NamedAgg(column, function) for column, function, name in aggregates}
        run = lambda: first.groupby(keys, as_index=False, sort=False, dropna=False).agg(**named)  # noqa: E731
    elif OP in ("sort", "sort-string"):
        run = lambda: first.sort_values("key" if OP == "sort" else "id3")  # noqa: E731
    elif OP.startswith("unique"):
        run = lambda: first.drop_duplicates()  # noqa: E731
    elif OP == "filter":
        run = lambda: first[first["v"] > 0.5]  # noqa: E731
    else:
        v = first["v"]
        run = lambda: pd.DataFrame(  # noqa: E731
            {"v_sum": [v.sum()], "v_min": [v.min()], "v_max": [v.max()], "v_mean": [v.mean()]}
        )
    return run, lambda frame: pa.Table.from_pandas(frame, preserve_index=False)


def answer(table):
    """Rows, checksum of what is exact, sums of floats, in the order of the columns."""
    names = table.column_names
    floats = [name for name in names if pa.types.is_floating(table.schema.field(name).type)]
    floats = [n for n in floats if n != "col1_right"]
    exact = [table[name] for name in names if name not in floats]
    rows = table.num_rows
    if OP in ("sort", "sort-string"):
        key = table[names[0]].combine_chunks()
        if OP == "sort-string":
            width = generated.texts_of(key).shape[1]
            values = generated.texts_of(key).copy().view(f"S{width}").reshape(-1)
        else:
            values = key.to_numpy()
        if not (values[1:] >= values[:-1]).all():
            rows = "not sorted"
    return {
        "rows": rows,
        "checksum": generated.row_checksum(exact) if exact else f"{table.num_rows:016x}",
        "sums": [float(pa.compute.sum(table[name]).as_py() or 0) for name in floats],
    }


def forget_peak():
    """What was held so far no longer counts (proc(5): clear_refs)."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def peak_bytes():
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def load(path):
    """The table in memory of its own: no engine's figure may depend on a mapped file."""
    import pyarrow.compute  # noqa: F401

    with pa.OSFile(path) as file:
        return pa.ipc.open_file(file).read_all()


def main():
    repetitions, budget = int(sys.argv[4]), float(sys.argv[5])
    tables = [load(path) for path in sys.argv[6:]]
    if ENGINE in ("polars", "polars-stream"):
        engine = "streaming" if ENGINE == "polars-stream" else "in-memory"
        run, to_arrow = polars_engine(tables, engine)
    else:
        make = {
            "duckdb": duckdb_engine,
            "datafusion": datafusion_engine,
            "pyarrow": pyarrow_engine,
            "pandas": pandas_engine,
        }[ENGINE]
        run, to_arrow = make(tables)
    del tables
    forget_peak()
    output = run()
    peak = peak_bytes()
    begin = time.perf_counter()
    for repetition in range(repetitions):
        if repetition > 0 and time.perf_counter() - begin > budget:
            break
        del output
        processor = time.process_time()
        start = time.perf_counter()
        output = run()
        seconds = time.perf_counter() - start
        figures = {"seconds": seconds, "processorSeconds": time.process_time() - processor}
        print(json.dumps(figures), flush=True)
    print(json.dumps({"peakBytes": peak, **answer(to_arrow(output))}), flush=True)


if __name__ == "__main__":
    main()
