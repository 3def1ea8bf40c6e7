#!/usr/bin/env python3
"""Makes csv-expected.json: small CSV files full of quotes, line ends and blank lines, with the
fields that pandas finds in them. What pandas refuses is an error. There are no short records, which
pandas pads and Frames refuses.

    pip install pandas==3.1.1 && python3 Tests/Vectors/csv_expected.py [CASES [SEED]]

Its output is committed.
"""

import io
import json
import pathlib
import random
import sys

import pandas as pd

HEADER = "a,b,c\n0,0,0\n"
FIELDS = ["", "", "a", "b c", "NA", "1.5", '"a"', '"a,b"', '"a\nb"', '"a""b"', 'a"b', '"a"b', " a",
          '""', '"\r\n"', '""""', '"a\r"', "é"]
LINE_ENDS = ["\n", "\n", "\n", "\r\n", "\r\n", "\r", "\n\n", "\n \n", "\r\n\r\n", "\r\r\n", "\n\t\n"]


def case(rng):
    text = HEADER
    for _ in range(rng.randint(0, 5)):
        width = 3 if rng.random() < 0.95 else 4
        text += ",".join(rng.choice(FIELDS) for _ in range(width))
        text += rng.choice(LINE_ENDS)
    if rng.random() < 0.03:
        return text + '1,2,"never closed\n'
    return text.rstrip("\r\n") if rng.random() < 0.3 else text


def answer(text):
    """Rows of texts, or None for an error."""
    try:
        # As bytes: a text stream would translate line ends.
        frame = pd.read_csv(io.BytesIO(text.encode()), dtype=str, keep_default_na=False,
                            index_col=False)
    except pd.errors.ParserError:
        return None
    return frame.to_numpy().tolist()


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 150
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    lines = []
    for _ in range(count):
        text = case(rng)
        lines.append(json.dumps({"text": text, "rows": answer(text)}))
    path = pathlib.Path(__file__).with_name("csv-expected.json")
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
