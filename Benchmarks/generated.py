"""The benchmark's inputs and checksums in numpy, bit for bit those of Sources/Frames/Kernels.

CounterGenerator.swift and Checksum.swift describe the arithmetic; `check_golden_values` holds it to
numbers that the Swift tests know too. All of it is on wrapping uint64.
"""

import numpy as np

GOLDEN_RATIO = np.uint64(0x9E3779B97F4A7C15)
# Odd, hence a bijection: turns dense keys into keys spread over 64 bits with the same matches.
SPARSE_FACTOR = np.uint64(0x9E3779B97F4A7C15)
CHECKSUM_SEED = np.uint64(0x5EED0F2077C5A1D3)


def mix(x):
    x = np.asarray(x, dtype=np.uint64)
    with np.errstate(over="ignore"):
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def words(seed, frame, column, rows):
    with np.errstate(over="ignore"):
        stream = mix(mix(mix(np.uint64(seed)) + np.uint64(frame)) + np.uint64(column))
        counter = np.arange(1, rows + 1, dtype=np.uint64)
        return mix(stream + counter * GOLDEN_RATIO)


def uniform(seed, frame, column, bound, rows):
    """int64 in 0 ..< bound."""
    word = words(seed, frame, column, rows)
    if bound <= 1 << 32:
        value = ((word >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32)
    else:
        value = word % np.uint64(bound)
    return value.astype(np.int64)


def unit(seed, frame, column, rows):
    """float64 in [0, 1)."""
    return (words(seed, frame, column, rows) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def hash_word(value):
    with np.errstate(over="ignore"):
        first = value * np.uint64(0xBF58476D1CE4E5B9)
        return (first ^ (first >> np.uint64(32))) * GOLDEN_RATIO


def row_checksum(columns):
    """Sum of row hashes over int64 columns without nulls, as `Frame.rowChecksum`."""
    hashes = None
    with np.errstate(over="ignore"):
        for column in columns:
            current = hash_word(np.ascontiguousarray(column, dtype=np.int64).view(np.uint64))
            if hashes is None:
                hashes = current
            else:
                rotated = (hashes << np.uint64(23)) | (hashes >> np.uint64(41))
                hashes = hash_word(rotated + current)
        total = hash_word(hashes ^ CHECKSUM_SEED).sum(dtype=np.uint64)
    return f"{int(total):016x}"


def inputs(op, rows, seed):
    """The input frames of an operation: a list of {column: array}."""
    if op in ("join", "join-sparse"):
        bound = rows * 9 // 10
        frames = []
        for frame in (0, 1):
            keys = uniform(seed, frame, 0, bound, rows)
            if op == "join-sparse":
                with np.errstate(over="ignore"):
                    keys = (keys.view(np.uint64) * SPARSE_FACTOR).view(np.int64)
            frames.append({"col0": keys, "col1": uniform(seed, frame, 1, bound, rows)})
        return frames
    if op == "groupby":
        return [
            {
                "id": uniform(seed, 0, 0, max(1, rows // 100), rows),
                "v1": uniform(seed, 0, 1, 5, rows),
                "v3": unit(seed, 0, 2, rows),
            }
        ]
    if op == "sort":
        return [{"key": uniform(seed, 0, 0, 1 << 62, rows), "value": unit(seed, 0, 1, rows)}]
    raise SystemExit(f"there is no operation {op}")


def check_golden_values():
    assert uniform(1, 0, 0, 900, 4).tolist() == GOLDEN["uniform"], uniform(1, 0, 0, 900, 4)
    assert uniform(1, 1, 1, 1 << 62, 2).tolist() == GOLDEN["wide"], uniform(1, 1, 1, 1 << 62, 2)
    assert unit(7, 0, 2, 2).tolist() == GOLDEN["unit"], unit(7, 0, 2, 2)
    columns = [np.array([1, -2, 3]), np.array([4, 5, 1 << 40])]
    assert row_checksum(columns) == GOLDEN["checksum"], row_checksum(columns)


GOLDEN = {
    "uniform": [91, 237, 699, 716],
    "wide": [656923939355869803, 159651106498549557],
    "unit": [0.9207003797870933, 0.712339176533614],
    "checksum": "9ad0d0fc51d067aa",
}
