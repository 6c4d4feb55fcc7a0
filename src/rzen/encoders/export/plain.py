"""What somebody without rzen gets from an exported folder; run as a program of its own.

    python -I plain.py JOB.json

It imports nothing of rzen and cannot. The job names a folder, pictures and cases; the vectors go to
a file, one row a case.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def main(job_file: Path) -> None:
    """Encodes the cases of a job."""
    sys.modules["rzen"] = None  # type: ignore[assignment] # importing it fails from here on
    from PIL import Image  # noqa: PLC0415
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    job = json.loads(job_file.read_text(encoding="utf-8"))
    with np.load(job["pictures"]) as stored:
        pictures = {name: Image.fromarray(stored[name]) for name in stored.files}
    model = SentenceTransformer(
        job["folder"], device="cpu", local_files_only=True, model_kwargs={"dtype": "float32"}
    )
    calls = {"query": model.encode_query, "document": model.encode_document}
    groups: dict[tuple[str | None, str | None], list[int]] = {}
    for row, case in enumerate(job["cases"]):
        groups.setdefault((case["prompt"], case["role"]), []).append(row)
    vectors: dict[int, Any] = {}
    for (prompt, role), rows in groups.items():
        inputs = [_input(job["cases"][row]["parts"], pictures) for row in rows]
        found = calls.get(role or "", model.encode)(
            inputs, prompt=prompt, batch_size=4, show_progress_bar=False
        )
        vectors.update(zip(rows, found, strict=True))
    np.save(job["vectors"], np.stack([vectors[row] for row in range(len(vectors))]))


def _input(parts: list[list[str]], pictures: dict[str, Any]) -> Any:
    """A content as a user of sentence-transformers gives it."""
    given: dict[str, Any] = {}
    for kind, value in parts:
        given.setdefault(kind, []).append(pictures[value] if kind == "image" else value)
    single = {kind: values[0] if len(values) == 1 else values for kind, values in given.items()}
    return next(iter(single.values())) if len(parts) == 1 else single


if __name__ == "__main__":
    main(Path(sys.argv[1]))
