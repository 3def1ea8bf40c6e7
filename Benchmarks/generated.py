"""The benchmark's inputs and checksums in numpy, bit for bit those of Sources/Frames/Kernels.

CounterGenerator.swift and Checksum.swift describe the arithmetic; `check_golden_values` holds it to
numbers that the Swift tests know too. All of it is on wrapping uint64.
"""

import numpy as np

GOLDEN_RATIO = np.uint64(0x9E3779B97F4A7C15)
# Odd, hence a bijection: turns dense keys into keys spread over 64 bits with the same matches.
SPARSE_FACTOR = np.uint64(0x9E3779B97F4A7C15)
NULL_HASH = np.uint64(0x6E756C6C5F686173)
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


def multiply_high(a, b):
    """Upper and lower 64 bits of the product of uint64 arrays."""
    low = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    a0, a1, b0, b1 = a & low, a >> half, b & low, b >> half
    with np.errstate(over="ignore"):
        middle = a1 * b0 + ((a0 * b0) >> half)
        other = a0 * b1 + (middle & low)
        return a1 * b1 + (middle >> half) + (other >> half), a * b


def fold(a, b):
    high, low = multiply_high(a, np.uint64(b))
    return high ^ low


def hash_texts(texts):
    """`hashBytes` of texts of one length: a matrix of bytes, a row each."""
    rows, width = texts.shape
    padded = np.zeros((rows, (width + 7) // 8 * 8), dtype=np.uint8)
    padded[:, :width] = texts
    words = padded.view("<u8")
    with np.errstate(over="ignore"):
        hashes = np.full(rows, np.uint64(width) * np.uint64(0xA0761D6478BD642F), dtype=np.uint64)
    for position in range(words.shape[1]):
        whole = (position + 1) * 8 <= width
        hashes = fold(
            hashes ^ words[:, position], 0xE7037ED1A0B428DB if whole else 0x8EBC6AF09C88C6E3
        )
    return hash_word(hashes)


def texts_of(column):
    """The bytes of a string array whose values have one length, a row each."""
    import pyarrow

    array = column.cast(pyarrow.large_string())
    if isinstance(array, pyarrow.ChunkedArray):
        array = array.combine_chunks()
    if isinstance(array, pyarrow.ChunkedArray):
        array = pyarrow.concat_arrays(array.chunks)
    offsets = np.frombuffer(array.buffers()[1], dtype=np.int64)
    offsets = offsets[array.offset : array.offset + len(array) + 1]
    width = int(offsets[1] - offsets[0])
    assert (np.diff(offsets) == width).all(), "texts of different lengths"
    data = np.frombuffer(array.buffers()[2], dtype=np.uint8)
    return data[offsets[0] : offsets[-1]].reshape(len(array), width)


def hash_column(column):
    """Hashes of an Arrow array of whole numbers or of texts of one length; one of nulls' own."""
    import pyarrow

    kind = column.type
    if pyarrow.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if not pyarrow.types.is_integer(kind):
        return hash_texts(texts_of(column))
    column = column.cast(pyarrow.int64())
    values = column.fill_null(0).to_numpy()
    hashes = hash_word(np.ascontiguousarray(values).view(np.uint64))
    if column.null_count:
        hashes = np.where(column.is_null().to_numpy(), NULL_HASH, hashes)
    return hashes


def row_checksum(columns):
    """Sum of row hashes over Arrow arrays without floats, as `Frame.rowChecksum`."""
    hashes = None
    with np.errstate(over="ignore"):
        for column in columns:
            current = hash_column(column)
            if hashes is None:
                hashes = current
            else:
                rotated = (hashes << np.uint64(23)) | (hashes >> np.uint64(41))
                hashes = hash_word(rotated + current)
        total = hash_word(hashes ^ CHECKSUM_SEED).sum(dtype=np.uint64)
    return f"{int(total):016x}"


def text(seed, frame, column, prefix, digits, bound, rows):
    """An Arrow string array: `prefix`, then a number in 1 ... bound."""
    import pyarrow

    rest = uniform(seed, frame, column, bound, rows).astype(np.uint64) + np.uint64(1)
    width = len(prefix) + digits
    texts = np.empty((rows, width), dtype=np.uint8)
    texts[:, : len(prefix)] = np.frombuffer(prefix.encode(), dtype=np.uint8)
    for position in range(width - 1, len(prefix) - 1, -1):
        texts[:, position] = rest % np.uint64(10) + np.uint64(0x30)
        rest //= np.uint64(10)
    offsets = np.arange(rows + 1, dtype=np.int64) * width
    return pyarrow.LargeStringArray.from_buffers(
        rows, pyarrow.py_buffer(offsets), pyarrow.py_buffer(texts.reshape(-1))
    )


def skewed(seed, frame, column, bits, rows):
    """int64 in 0 ..< 2^bits, each power of two as frequent as any other."""
    word = words(seed, frame, column, rows)
    exponent = ((word & np.uint64(0xFFFFFFFF)) * np.uint64(bits)) >> np.uint64(32)
    power = np.uint64(1) << exponent
    value = (power | ((word >> np.uint64(32)) & (power - np.uint64(1)))) - np.uint64(1)
    return value.astype(np.int64)


def spread(keys):
    with np.errstate(over="ignore"):
        return (keys.view(np.uint64) * SPARSE_FACTOR).view(np.int64)


def with_nulls(seed, frame, column, values, percent=10):
    import pyarrow

    limit = np.uint64((percent << 32) // 100)
    null = (words(seed, frame, column, len(values)) >> np.uint64(32)) < limit
    return pyarrow.array(values, mask=null)


G1_NAMES = ["id1", "id2", "id3", "id4", "id5", "id6", "v1", "v2", "v3"]
G1_COLUMNS = {
    "q1": ["id1", "v1"],
    "q2": ["id1", "id2", "v1"],
    "q3": ["id3", "v1", "v3"],
    "q4": ["id4", "v1", "v2", "v3"],
    "q5": ["id6", "v1", "v2", "v3"],
    "q10": ["id1", "id2", "id3", "id4", "id5", "id6", "v3"],
    "sort-string": ["id3", "v3"],
}


def g1_column(name, rows, seed):
    number = G1_NAMES.index(name)
    few, many = 100, max(1, rows // 100)
    if name in ("id1", "id2"):
        return text(seed, 0, number, "id", 3, few, rows)
    if name == "id3":
        return text(seed, 0, number, "id", 10, many, rows)
    if name == "v3":
        return unit(seed, 0, number, rows)
    bound = {"id4": few, "id5": few, "id6": many, "v1": 5, "v2": 15}[name]
    return uniform(seed, 0, number, bound, rows)


def join_side(op, frame, rows, seed):
    bound = rows * 9 // 10
    value = uniform(seed, frame, 1, rows, rows)
    if op == "join-string":
        return {"col0": text(seed, frame, 0, "id", 10, bound, rows), "col1": value}
    if op == "join-two-keys":
        return {
            "key0": uniform(seed, frame, 0, 1000, rows),
            "key1": uniform(seed, frame, 1, max(1, rows * 9 // 10000), rows),
            "col1": uniform(seed, frame, 2, rows, rows),
        }
    if op == "join-left":
        return {"col0": spread(uniform(seed, frame, 0, rows * 9, rows)), "col1": value}
    if op == "join-skewed":
        bits = max(1, rows.bit_length() - 1)
        if frame == 0:
            keys = skewed(seed, frame, 0, bits, rows)
        else:
            keys = uniform(seed, frame, 0, 1 << bits, rows)
        return {"col0": spread(keys), "col1": value}
    keys = uniform(seed, frame, 0, bound, rows)
    if op == "join-sparse":
        keys = spread(keys)
    return {"col0": keys, "col1": uniform(seed, frame, 1, bound, rows)}


def inputs(op, rows, seed):
    """The input frames of an operation, as Arrow tables."""
    import pyarrow

    return [pyarrow.table(columns) for columns in columns_of(op, rows, seed)]


def columns_of(op, rows, seed):
    if op.startswith("join"):
        return [join_side(op, frame, rows, seed) for frame in (0, 1)]
    if op in G1_COLUMNS:
        return [{name: g1_column(name, rows, seed) for name in G1_COLUMNS[op]}]
    if op == "groupby-nulls":
        keys = uniform(seed, 0, 0, max(1, rows // 100), rows)
        return [
            {
                "id": with_nulls(seed, 0, 2, keys),
                "v": with_nulls(seed, 0, 3, unit(seed, 0, 1, rows)),
            }
        ]
    if op == "sort":
        return [{"key": uniform(seed, 0, 0, 1 << 62, rows), "value": unit(seed, 0, 1, rows)}]
    if op in ("unique", "unique-sparse"):
        keys = uniform(seed, 0, 0, rows * 9 // 10, rows)
        return [{"key": spread(keys) if op == "unique-sparse" else keys}]
    if op == "aggregate":
        return [{"v": with_nulls(seed, 0, 1, unit(seed, 0, 0, rows))}]
    if op == "filter":
        return [{"v": unit(seed, 0, 0, rows)}]
    raise SystemExit(f"there is no operation {op}")


def check_golden_values():
    import pyarrow

    assert uniform(1, 0, 0, 900, 4).tolist() == GOLDEN["uniform"], uniform(1, 0, 0, 900, 4)
    assert uniform(1, 1, 1, 1 << 62, 2).tolist() == GOLDEN["wide"], uniform(1, 1, 1, 1 << 62, 2)
    assert unit(7, 0, 2, 2).tolist() == GOLDEN["unit"], unit(7, 0, 2, 2)
    columns = [pyarrow.array([1, -2, 3]), pyarrow.array([4, 5, 1 << 40])]
    assert row_checksum(columns) == GOLDEN["checksum"], row_checksum(columns)


GOLDEN = {
    "uniform": [91, 237, 699, 716],
    "wide": [656923939355869803, 159651106498549557],
    "unit": [0.9207003797870933, 0.712339176533614],
    "checksum": "9ad0d0fc51d067aa",
}
