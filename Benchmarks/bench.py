"""Ours beside Polars, DuckDB, DataFusion, pyarrow and pandas: identical data, answers compared.

    .venv/bin/python Benchmarks/bench.py .build/release [--rows N] [--output PREFIX]

Every engine is a process of its own: with one thread held to one processor, with two on two. Each
operation's engines take turns, so that the machine's noise is shared; each start has one warm-up
that does not count, and whose peak memory is noted. Peers take part in the operations they are
among the best at; `--engines all` asks everyone everything.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import generated

HERE = os.path.dirname(os.path.abspath(__file__))
OURS = ["ours-threads", "ours-openmpi"]
PEERS = ["polars", "polars-stream", "duckdb", "datafusion", "pyarrow", "pandas"]
JOIN_PEERS = ["datafusion", "duckdb", "polars-stream"]
# The peers that are, or may be, the fastest of an operation.
OPERATIONS = {
    "join": JOIN_PEERS,
    "join-sparse": JOIN_PEERS,
    "join-left": JOIN_PEERS,
    "join-string": JOIN_PEERS,
    "join-two-keys": JOIN_PEERS,
    "join-skewed": JOIN_PEERS,
    "q1": ["datafusion", "polars", "polars-stream"],
    "q2": ["polars-stream", "datafusion", "pyarrow"],
    "q3": ["duckdb", "pyarrow", "polars-stream"],
    "q4": ["datafusion", "polars", "polars-stream", "pandas"],
    "q5": ["datafusion", "duckdb", "polars-stream"],
    "q10": ["datafusion", "polars-stream"],
    "groupby-nulls": ["datafusion", "duckdb", "polars-stream"],
    "sort": ["polars", "duckdb"],
    "sort-string": ["duckdb", "datafusion"],
    "unique": ["datafusion", "pyarrow", "polars-stream"],
    "unique-sparse": ["datafusion", "pyarrow", "polars-stream"],
    "aggregate": ["polars", "datafusion", "pyarrow"],
    "filter": ["polars", "datafusion", "pyarrow", "pandas"],
}


class Failure(Exception):
    """One line for the user."""


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("binaries", help="folder of the workers, such as .build/release")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=1, help="starts of each engine")
    parser.add_argument("--repetitions", type=int, default=3, help="timed runs per start")
    parser.add_argument("--seconds", type=float, default=4, help="begin no repetition after these")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engines", help=f"of {','.join(OURS + PEERS)}, or all; default: by operation")
    parser.add_argument("--operations", default=",".join(OPERATIONS))
    parser.add_argument("--threads", default="1,2", help="threads of peers, ranks of ours")
    parser.add_argument("--output", help="write PREFIX.txt and PREFIX.jsonl too")
    arguments = parser.parse_args()
    for name in ("rows", "rounds", "repetitions"):
        if getattr(arguments, name) < 1:
            raise Failure(f"--{name}: give a whole number of at least 1")
    if arguments.engines == "all":
        arguments.engines = ",".join(OURS + PEERS)
    if arguments.engines:
        arguments.engines = chosen("engines", arguments.engines, OURS + PEERS)
    arguments.operations = chosen("operations", arguments.operations, list(OPERATIONS))
    arguments.threads = [int(n) for n in chosen("threads", arguments.threads, ["1", "2", "4"])]
    return arguments


def chosen(option, text, known):
    names = text.split(",")
    for name in names:
        if name not in known:
            raise Failure(f"--{option} {name}: choose from {','.join(known)}")
    return names


def engines_of(op, threads, arguments):
    """One rank needs no transport, so ours is measured once there."""
    ours = OURS if threads > 1 else OURS[:1]
    if threads > 1 and not has_openmpi(arguments):
        ours = OURS[:1]
    wanted = arguments.engines or OURS + OPERATIONS[op]
    return [e for e in ours if e in wanted] + [e for e in PEERS if e in wanted]


def has_openmpi(arguments):
    return shutil.which("mpirun") and os.access(worker(arguments, "openmpi"), os.X_OK)


def worker(arguments, transport):
    return os.path.join(arguments.binaries, f"worker-{transport}")


def command_of(engine, op, threads, files, arguments):
    environment = dict(os.environ)
    if not engine.startswith("ours"):
        command = [sys.executable, os.path.join(HERE, "peer.py"), engine, op, str(threads)]
        command += [str(arguments.repetitions), str(arguments.seconds)] + files
        return command, environment
    transport = engine.split("-")[1]
    command = [worker(arguments, transport), "--workload", op, "--mode", "strong"]
    command += ["--rows", str(arguments.rows), "--seed", str(arguments.seed)]
    command += ["--iterations", str(arguments.repetitions)]
    environment["THREADMPI_RANKS"] = str(threads)
    if transport == "openmpi":
        launcher = ["mpirun", "-n", str(threads)]
        launcher += ["--oversubscribe"] if threads > (os.cpu_count() or 1) else ["--bind-to", "core"]
        if os.geteuid() == 0:
            launcher.append("--allow-run-as-root")
        command = launcher + command
    return command, environment


def start(engine, op, threads, files, arguments):
    """Runs one engine once: its repetitions and its answer."""
    command, environment = command_of(engine, op, threads, files, arguments)
    processors = sorted(os.sched_getaffinity(0))[-threads:]
    finished = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        preexec_fn=lambda: os.sched_setaffinity(0, processors),
    )
    if finished.returncode != 0:
        complaint = (finished.stderr.strip().splitlines() or ["no message"])[-1]
        raise Failure(f"{engine} {op}: {complaint}")
    lines = [line for line in finished.stdout.splitlines() if line.startswith("{")]
    messages = [json.loads(line) for line in lines]
    runs = [m for m in messages if "seconds" in m]
    last = messages[-1]
    if engine.startswith("ours"):
        last = our_answer(last)
    return runs, last


def our_answer(result):
    tables = {t["name"]: t["rows"][0][0] for t in result["tables"]}
    rows = "not sorted" if tables.pop("order violations", 0) else result["outputRows"]
    return {
        "rows": rows,
        "checksum": result["checksum"],
        "sums": list(tables.values()),
        "peakBytes": result["peakBytes"],
    }


def agree(left, right):
    if left["rows"] != right["rows"] or left["checksum"] != right["checksum"]:
        return False
    pairs = list(zip(left["sums"], right["sums"]))
    return len(left["sums"]) == len(right["sums"]) and all(
        abs(a - b) <= 1e-9 * max(abs(a), abs(b)) for a, b in pairs
    )


def write_inputs(op, folder, arguments):
    import pyarrow

    files = []
    for number, table in enumerate(generated.inputs(op, arguments.rows, arguments.seed)):
        path = os.path.join(folder, f"f{number}.arrow")
        with pyarrow.OSFile(path, "w") as file:
            with pyarrow.ipc.new_file(file, table.schema) as writer:
                writer.write_table(table)
        files.append(path)
    return files


def measure(arguments):
    """Figures by (op, threads, engine)."""
    found = {}
    for number, op in enumerate(arguments.operations):
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            progress(f"[{number + 1}/{len(arguments.operations)}] {op}: data")
            files = write_inputs(op, folder, arguments)
            for round_number in range(arguments.rounds):
                for threads in arguments.threads:
                    for engine in engines_of(op, threads, arguments):
                        progress(
                            f"[{number + 1}/{len(arguments.operations)}] {op}, {threads} threads, "
                            f"{engine}, round {round_number + 1}"
                        )
                        runs, answer = start(engine, op, threads, files, arguments)
                        entry = found.setdefault((op, threads, engine), ([], answer))
                        entry[0].extend(runs)
                        if not agree(answer, entry[1]):
                            raise Failure(f"{engine} {op}: two starts gave different answers")
    progress("")
    return found


def progress(text):
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
    elif text:
        sys.stderr.write(text + "\n")
    sys.stderr.flush()


def versions():
    from importlib.metadata import version

    return {name: version(name) for name in ("polars", "duckdb", "datafusion", "pyarrow", "pandas")}


def records(found, arguments):
    pinned = versions()
    for op in arguments.operations:
        keys = [key for key in found if key[0] == op]
        for threads in arguments.threads:
            here = [key for key in keys if key[1] == threads]
            medians = {key: statistics.median(r["seconds"] for r in found[key][0]) for key in here}
            peers = [medians[key] for key in here if not key[2].startswith("ours")]
            for key in here:
                runs, answer = found[key]
                times = [run["seconds"] for run in runs]
                processor = [run["processorSeconds"] for run in runs]
                yield {
                    "record": "peer",
                    "op": op,
                    "engine": key[2],
                    "version": pinned.get(key[2].split("-")[0]),
                    "rows": arguments.rows,
                    "threads": threads,
                    "repetitions": len(times),
                    "seconds_median": medians[key],
                    "seconds_min": min(times),
                    "seconds_max": max(times),
                    "processor_seconds_median": statistics.median(processor),
                    "peak_bytes": answer["peakBytes"],
                    # How many times as long the fastest peer takes.
                    "ahead": min(peers) / medians[key] if peers else None,
                    "output_rows": answer["rows"],
                    "checksum": answer["checksum"],
                    "agrees": agree(answer, found[keys[0]][1]),
                }


def table(found, arguments):
    yield f"{arguments.rows:,} rows; threads of a peer, ranks of ours; medians and spread of wall seconds"
    yield "ahead: the fastest peer's median over ours; cpu: processor seconds of all threads"
    yield "peak: most memory held from before the first run to its end, input and output included"
    yield ""
    line = "{:<14} {:>2} {:<14} {:>8} {:>17} {:>6} {:>8} {:>8} {:>11}  {}"
    yield line.format(
        "operation", "t", "engine", "median s", "min … max", "ahead", "cpu s", "peak MB", "rows out", ""
    )
    previous = None
    for record in found:
        group = (record["op"], record["threads"])
        if previous != group:
            yield "─" * 102
        spread = f"{record['seconds_min']:.3f} … {record['seconds_max']:.3f}"
        ours = record["engine"].startswith("ours") and record["ahead"]
        yield line.format(
            record["op"] if group != previous else "",
            record["threads"],
            record["engine"],
            f"{record['seconds_median']:.3f}",
            spread,
            f"{record['ahead']:.2f}×" if ours else "",
            f"{record['processor_seconds_median']:.3f}",
            round(record["peak_bytes"] / 1e6),
            record["output_rows"],
            "✓" if record["agrees"] else f"✗ {record['checksum']}",
        ).rstrip()
        previous = group


def summary(found):
    """A line per operation: how far ahead of the fastest peer, and memory against the most frugal."""
    yield ""
    line = "{:<14} {:>10} {:>16} {:>16} {:>24}"
    yield line.format("", "1 rank", "2 ranks, threads", "2 ranks, openmpi", "peak MB: ours, least peer")
    for op in dict.fromkeys(record["op"] for record in found):
        mine = [r for r in found if r["op"] == op]

        def ahead(engine, threads):
            for r in mine:
                if r["engine"] == engine and r["threads"] == threads and r["ahead"]:
                    return f"{r['ahead']:.2f}×"
            return "–"

        peaks = [r["peak_bytes"] for r in mine if r["threads"] == 1 and r["engine"] in PEERS]
        own = [r["peak_bytes"] for r in mine if r["threads"] == 1 and r["engine"] in OURS]
        memory = f"{own[0] / 1e6:.0f}, {min(peaks) / 1e6:.0f}" if own and peaks else "–"
        yield line.format(
            op, ahead(OURS[0], 1), ahead(OURS[0], 2), ahead(OURS[1], 2), memory
        ).rstrip()


def main():
    arguments = parse_arguments()
    if not arguments.engines or OURS[0] in arguments.engines:
        if not shutil.which(worker(arguments, "threads")):
            raise Failure(f"there is no {worker(arguments, 'threads')}: make build")
    generated.check_golden_values()
    begin = time.monotonic()
    found = list(records(measure(arguments), arguments))
    text = "\n".join([*table(found, arguments), *summary(found)])
    text += f"\n\n{(time.monotonic() - begin) / 60:.1f} minutes, {os.cpu_count()} processors\n"
    print(text, end="")
    if arguments.output:
        with open(arguments.output + ".txt", "w", encoding="utf-8") as file:
            file.write(text)
        with open(arguments.output + ".jsonl", "w", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in found)
    if not all(record["agrees"] for record in found):
        raise Failure("DISAGREEMENT: not all engines gave the same answer (✗ above)")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"bench: {failure}")
