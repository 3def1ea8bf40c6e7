"""Ours beside Polars, DuckDB and DataFusion: identical data, one thread each, answers compared.

    .venv/bin/python Benchmarks/bench.py .build/release [--rows N] [--json FILE]

Every engine is a process of its own, held to one processor. Rounds visit all engines in turn, so
that the machine's noise is shared; each start has one warm-up that does not count.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys

import generated

HERE = os.path.dirname(os.path.abspath(__file__))
ENGINES = ["ours", "polars", "polars-stream", "duckdb", "datafusion"]
OPERATIONS = ["join", "join-sparse", "groupby", "sort"]


class Failure(Exception):
    """One line for the user."""


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("binaries", help="folder of worker-threads, such as .build/release")
    parser.add_argument("--rows", type=int, default=4_500_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repetitions", type=int, default=2, help="timed runs per start")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--operations", default=",".join(OPERATIONS))
    parser.add_argument("--processor", type=int, help="the processor everything runs on")
    parser.add_argument("--json", help="also write JSON lines to this file")
    arguments = parser.parse_args()
    for name in ("rows", "rounds", "repetitions"):
        if getattr(arguments, name) < 1:
            raise Failure(f"--{name}: give a whole number of at least 1")
    arguments.engines = chosen("engines", arguments.engines, ENGINES)
    arguments.operations = chosen("operations", arguments.operations, OPERATIONS)
    return arguments


def chosen(option, text, known):
    names = text.split(",")
    for name in names:
        if name not in known:
            raise Failure(f"--{option} {name}: choose from {','.join(known)}")
    return names


def start(engine, op, arguments):
    """Runs one engine once; its seconds and its answer."""
    environment = dict(os.environ)
    if engine == "ours":
        worker = os.path.join(arguments.binaries, "worker-threads")
        command = [worker, "--workload", op, "--mode", "strong", "--rows", str(arguments.rows)]
        command += ["--iterations", str(arguments.repetitions), "--seed", str(arguments.seed)]
        environment["THREADMPI_RANKS"] = "1"
    else:
        command = [sys.executable, os.path.join(HERE, "peer.py"), engine, op]
        command += [str(arguments.rows), str(arguments.repetitions), str(arguments.seed)]
    processor = arguments.processor
    finished = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        preexec_fn=lambda: os.sched_setaffinity(0, {processor}),
    )
    if finished.returncode != 0:
        complaint = (finished.stderr.strip().splitlines() or ["no message"])[-1]
        raise Failure(f"{engine} {op}: {complaint}")
    return parse(engine, finished.stdout)


def parse(engine, output):
    messages = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    seconds = [m["seconds"] for m in messages if "seconds" in m]
    last = messages[-1]
    if engine != "ours":
        return seconds, last
    sums = {t["name"]: t["rows"][0][0] for t in last["tables"]}
    rows = "not sorted" if sums.get("order violations") else last["outputRows"]
    return seconds, {"rows": rows, "checksum": last["checksum"], "sum": sums.get("float sum")}


def agree(left, right):
    if left["rows"] != right["rows"] or left["checksum"] != right["checksum"]:
        return False
    if left["sum"] is None or right["sum"] is None:
        return left["sum"] is right["sum"]
    return abs(left["sum"] - right["sum"]) <= 1e-9 * abs(left["sum"])


def measure(arguments):
    seconds, answers = {}, {}
    steps = arguments.rounds * len(arguments.operations) * len(arguments.engines)
    step = 0
    for round_number in range(arguments.rounds):
        for op in arguments.operations:
            for engine in arguments.engines:
                step += 1
                progress(f"[{step}/{steps}] {op}, {engine}, round {round_number + 1}")
                times, answer = start(engine, op, arguments)
                seconds.setdefault((op, engine), []).extend(times)
                answers.setdefault((op, engine), answer)
                if not agree(answer, answers[op, engine]):
                    raise Failure(f"{engine} {op}: two starts gave different answers")
    progress("")
    return seconds, answers


def progress(text):
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
    elif text:
        sys.stderr.write(text + "\n")
    sys.stderr.flush()


def versions():
    from importlib.metadata import version

    return {name: version(name) for name in ("polars", "duckdb", "datafusion", "numpy")}


def records(seconds, answers, arguments):
    pinned = versions()
    for op in arguments.operations:
        reference = answers[op, arguments.engines[0]]
        base = statistics.median(seconds[op, arguments.engines[0]])
        for engine in arguments.engines:
            times = seconds[op, engine]
            median = statistics.median(times)
            yield {
                "record": "peer",
                "op": op,
                "engine": engine,
                "version": pinned.get(engine.split("-")[0]),
                "rows": arguments.rows,
                "threads": 1,
                "repetitions": len(times),
                "seconds_median": median,
                "seconds_min": min(times),
                "seconds_max": max(times),
                "ratio": median / base,
                "output_rows": answers[op, engine]["rows"],
                "checksum": answers[op, engine]["checksum"],
                "agrees": agree(answers[op, engine], reference),
            }


def show(found, arguments):
    print(f"{arguments.rows:,} rows, one thread each on processor {arguments.processor}")
    print("ratio: median against the first engine's; above 1 the first one is faster\n")
    header = ("operation", "engine", "median s", "min … max", "ratio", "rows out", "answer")
    line = "{:<12} {:<14} {:>9} {:>15} {:>7} {:>12}  {}"
    print(line.format(*header))
    print("─" * 82)
    previous = None
    for record in found:
        if previous and previous != record["op"]:
            print("─" * 82)
        spread = f"{record['seconds_min']:.3f} … {record['seconds_max']:.3f}"
        print(
            line.format(
                record["op"] if record["op"] != previous else "",
                record["engine"],
                f"{record['seconds_median']:.3f}",
                spread,
                f"{record['ratio']:.2f}×",
                record["output_rows"],
                "✓" if record["agrees"] else f"✗ {record['checksum']}",
            )
        )
        previous = record["op"]
    for op in arguments.operations:
        peers = [r for r in found if r["op"] == op and r["engine"] != "ours"]
        ours = [r for r in found if r["op"] == op and r["engine"] == "ours"]
        if peers and ours:
            best = min(peers, key=lambda r: r["seconds_median"])
            share = ours[0]["seconds_median"] / best["seconds_median"]
            print(f"{op}: ours takes {share:.2f} of the time of {best['engine']}, the fastest peer")


def main():
    arguments = parse_arguments()
    worker = os.path.join(arguments.binaries, "worker-threads")
    if "ours" in arguments.engines and not shutil.which(worker):
        raise Failure(f"there is no {worker}: swift build -c release --product worker-threads")
    if arguments.processor is None:
        arguments.processor = max(os.sched_getaffinity(0))
    generated.check_golden_values()
    found = list(records(*measure(arguments), arguments))
    show(found, arguments)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in found)
    if not all(record["agrees"] for record in found):
        raise Failure("DISAGREEMENT: not all engines gave the same answer (✗ above)")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"bench: {failure}")
