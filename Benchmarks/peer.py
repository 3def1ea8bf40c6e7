"""One engine, one operation, one process: `peer.py ENGINE OP ROWS REPETITIONS SEED`.

Prints one JSON line per repetition, then one with the answer. Input is in the engine's own memory
format before the clock starts; the whole output is materialised before it stops.
"""

import json
import os
import sys
import time

os.environ["POLARS_MAX_THREADS"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np  # noqa: E402

import generated  # noqa: E402

QUERIES = {
    "join": "select l.col0 as col0, l.col1 as col1, r.col1 as col1_right "
    "from f0 l join f1 r on l.col0 = r.col0",
    "groupby": "select id, sum(v1) as v1_sum, avg(v3) as v3_mean from f0 group by id",
    "sort": "select key, value from f0 order by key",
}
QUERIES["join-sparse"] = QUERIES["join"]


def arrow_table(frame):
    import pyarrow

    return pyarrow.table(frame)


def polars_engine(op, frames, streaming):
    import polars as pl

    assert pl.thread_pool_size() == 1
    tables = [pl.DataFrame(frame) for frame in frames]
    lazy = [table.lazy() for table in tables]
    if op.startswith("join"):
        query = lazy[0].join(lazy[1], on="col0", how="inner")
    elif op == "groupby":
        query = lazy[0].group_by("id").agg(
            pl.col("v1").sum().alias("v1_sum"), pl.col("v3").mean().alias("v3_mean")
        )
    else:
        query = lazy[0].sort("key")
    engine = "streaming" if streaming else "in-memory"
    return lambda: query.collect(engine=engine), lambda table, name: table[name].to_numpy()


def duckdb_engine(op, frames):
    import duckdb

    connection = duckdb.connect(":memory:")
    connection.execute("set threads = 1")
    connection.execute("set preserve_insertion_order = false")
    for index, frame in enumerate(frames):
        source = arrow_table(frame)
        connection.register("source", source)
        connection.execute(f"create table f{index} as select * from source")
        connection.unregister("source")
    query = QUERIES[op]
    return (
        lambda: connection.sql(query).to_arrow_table(),
        lambda table, name: table[name].to_numpy(),
    )


def datafusion_engine(op, frames):
    import datafusion
    import pyarrow

    configuration = datafusion.SessionConfig().with_target_partitions(1)
    context = datafusion.SessionContext(configuration)
    for index, frame in enumerate(frames):
        batches = arrow_table(frame).to_batches(max_chunksize=8192)
        context.register_record_batches(f"f{index}", [batches])
    query = QUERIES[op]
    return (
        lambda: context.sql(query).collect(),
        lambda batches, name: pyarrow.Table.from_batches(batches)[name].to_numpy(),
    )


def answer(op, output, column):
    if op.startswith("join"):
        exact = [column(output, name) for name in ("col0", "col1", "col1_right")]
        return {"rows": len(exact[0]), "checksum": generated.row_checksum(exact), "sum": None}
    if op == "groupby":
        exact = [column(output, name) for name in ("id", "v1_sum")]
        return {
            "rows": len(exact[0]),
            "checksum": generated.row_checksum(exact),
            "sum": float(column(output, "v3_mean").sum()),
        }
    key = column(output, "key")
    return {
        "rows": len(key) if bool(np.all(key[1:] >= key[:-1])) else "not sorted",
        "checksum": generated.row_checksum([key]),
        "sum": float(column(output, "value").sum()),
    }


def main():
    engine, op = sys.argv[1], sys.argv[2]
    rows, repetitions, seed = (int(argument) for argument in sys.argv[3:6])
    frames = generated.inputs(op, rows, seed)
    if engine in ("polars", "polars-stream"):
        run, column = polars_engine(op, frames, engine == "polars-stream")
    elif engine == "duckdb":
        run, column = duckdb_engine(op, frames)
    elif engine == "datafusion":
        run, column = datafusion_engine(op, frames)
    else:
        raise SystemExit(f"there is no engine {engine}")
    del frames
    output = run()
    for _ in range(repetitions):
        del output
        start = time.perf_counter()
        output = run()
        print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)
    print(json.dumps(answer(op, output, column)), flush=True)


if __name__ == "__main__":
    main()
