"""What a recipe says of a source."""

import difflib
from collections.abc import Mapping
from typing import Literal, Self, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rzen.data.sources import caption_rows, flat_rows
from rzen.data.sources.siblings import Direction

Kind: TypeAlias = Literal[
    "jsonl", "parquet", "huggingface", "mmeb-train", "vidore", "video-captions", "rzen-bench"
]

_MAPPED: Mapping[str, tuple[str, ...]] = {
    "jsonl": flat_rows.NAMES,
    "parquet": flat_rows.NAMES,
    "huggingface": flat_rows.NAMES,
    "video-captions": caption_rows.NAMES,
}
_FROM_HUB = frozenset({"huggingface", "mmeb-train", "vidore", "video-captions"})


class SourceSpec(BaseModel):
    """One source: a ``[[source]]`` of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind = Field(description="what the rows are like: " + ", ".join(get_args(Kind)))
    path: str = Field(
        "", description="a file, a folder of files, a pattern with *, or a saved data set"
    )
    dataset: str = Field("", description="name of a data set on the Hugging Face Hub")
    config: str = Field(
        "", description="configuration of the data set; of rzen-bench, one of its training files"
    )
    split: str = Field("", description="split of the data set; empty: its only one, or train")
    revision: str = Field("", description="commit, branch or tag of the data set on the Hub")
    name: str = Field("", description="in messages and reports; empty: taken from the path")
    task: str = Field("", description="of all rows; empty: each row's own, or that of the kind")
    columns: dict[str, str] = Field(
        default_factory=dict, description="what a column holds -> its name in the file"
    )
    media: str = Field(
        "", description="folder that paths in rows are relative to; empty: that of the file"
    )
    instruction: str | None = Field(
        None, description="said with every query; empty: none; not given: the rows' own"
    )
    document_instruction: str | None = Field(
        None, description="said with every positive and negative"
    )
    instructions: dict[str, str] = Field(
        default_factory=dict, description="task -> instruction of its queries"
    )
    document_instructions: dict[str, str] = Field(
        default_factory=dict, description="task -> instruction of its positives and negatives"
    )
    group: str = Field(
        "", description="batches are of one group; empty: one for each task of the source"
    )
    cap: int | None = Field(None, gt=0, description="rows of an epoch, at most")
    repeat: float = Field(1.0, gt=0, description="how often an epoch takes each row")
    shared_positives: bool = Field(
        False,
        description="whether rows with one positive may share a batch, as few classes or answers "
        "want it: there it stands once, and is no negative of any of them",
    )
    negatives: int | None = Field(None, ge=0, description="hard negatives of a row, at most")
    direction: Direction = Field(
        "text-to-video", description="of video-captions: what asks for what"
    )
    licence: str = Field("", description="of the data, for the model card")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind == "rzen-bench":
            for name in ("path", "dataset", "split", "revision", "media"):
                if getattr(self, name):
                    raise ValueError(f"rzen-bench lies in the cache: leave out {name!r}")
        elif bool(self.path) == bool(self.dataset):
            raise ValueError(f"a source of kind {self.kind!r} has a path or a dataset, one of them")
        if self.dataset and self.kind not in _FROM_HUB:
            raise ValueError(f"kind {self.kind!r} reads files: give a path, or kind 'huggingface'")
        if self.direction != "text-to-video" and self.kind != "video-captions":
            raise ValueError(f"kind {self.kind!r} has no 'direction': only video-captions has")
        self._check_columns()
        return self

    def _check_columns(self) -> None:
        names = _MAPPED.get(self.kind, ())
        if self.columns and not names:
            raise ValueError(f"the columns of kind {self.kind!r} are fixed: leave out 'columns'")
        for name in self.columns:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"
                raise ValueError(f"no column can be a {name!r}: {hint}")
