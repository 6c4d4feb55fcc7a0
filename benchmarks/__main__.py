"""Runs every benchmark and writes RESULTS.md: python -m benchmarks [NAME ...] [--quick]."""

import argparse
import os
import platform
import sys
import time
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ALL = (
    "exact_search",
    "ann",
    "compact_vectors",
    "ingest",
    "cold_start",
    "mini_throughput",
    "evaluation_cost",
    "mini_variants",
    "mixed_pool",
    "explain",
    "training_step",
    "batch_plan",
    "citation_check",
    "short_prompts",
    "rag_speed",
    "injections",
)
RESULTS = Path(__file__).parent / "RESULTS.md"
PARTS = Path(__file__).parent / "results"
LIBRARIES = ("numpy", "onnxruntime", "torch", "sentence-transformers", "faiss-cpu", "lancedb")


def main() -> None:
    """Runs the benchmarks named, or all, and puts their parts together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*ALL, []], help="which; default: all")
    parser.add_argument("--quick", action="store_true", help="small sizes, to try it; not written")
    arguments = parser.parse_args()
    machine = _machine()  # what is missing is better said before the work than after it
    for name in arguments.names or ALL:
        start = time.monotonic()
        print(f"{name} ...", file=sys.stderr, flush=True)
        sections = import_module(f"benchmarks.{name}").run(quick=arguments.quick)
        text = "\n".join(section.markdown() for section in sections)
        text += f"\n_`python -m benchmarks {name}`, {time.monotonic() - start:.0f} s; {machine}_\n"
        print(text)
        if not arguments.quick:
            PARTS.mkdir(exist_ok=True)
            (PARTS / f"{name}.md").write_text(text)
    if not arguments.quick:
        parts = [PARTS / f"{name}.md" for name in ALL]
        body = "\n".join(part.read_text() for part in parts if part.is_file())
        RESULTS.write_text(
            f"# Measured\n\nBy `make bench`; medians, peers in the same run.\n\n{body}"
        )


def _machine() -> str:
    try:
        libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    except PackageNotFoundError as missing:
        sys.exit(f"{missing.name} is missing, a peer: pip install -e '.[bench]'")
    return (
        f"{os.cpu_count()} cores, {_processor()}, Python {platform.python_version()}, {libraries}"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown processor"


if __name__ == "__main__":
    main()
