"""What a stage of training may be told; every choice that the paper leaves open is a setting here.

[open]: RzenEmbed's paper (arXiv 2510.27350) does not say; the default's reason stands beside it.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, model_validator

from rzen.training.losses import FalseNegatives
from rzen.training.temperatures import TemperatureSettings

_CHUNK_TOKENS = {"cpu": 4_096, "cuda": 32_768}


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LoraSettings(_Section):
    """Low-rank adapters (Hu et al. 2021, arXiv 2106.09685) on linear layers of all towers."""

    rank: int = Field(64, gt=0, description="rank of the adapters (the paper's)")
    # [open] As large as the rank: the adapters' product counts once, whatever the rank.
    alpha: float = Field(64.0, gt=0, description="scale of the adapters times the rank")
    # [open] None: a step then equals a plain step exactly, and an epoch sees each row once anyway.
    dropout: float = Field(0.0, ge=0, lt=1, description="of the adapters' input")
    layers: tuple[str, ...] = Field(
        ("*",), description="patterns of the linear layers that get one: * means all, of all towers"
    )
    without: tuple[str, ...] = Field((), description="patterns of those that get none")


class LookSettings(_Section):
    """How large a vision-language model is shown pictures and clips; unset: as its family does."""

    picture_tokens: tuple[int, int] | None = Field(None, description="of a picture: least, most")
    frame_tokens: tuple[int, int] | None = Field(None, description="of a frame: least, most")
    frames: int | None = Field(None, gt=0, description="of one clip, at most")
    fps: float | None = Field(None, gt=0, description="frames a second, before that cap")
    prompt_tokens: int | None = Field(None, gt=0, description="of one content, at most")


class NetworkSettings(_Section):
    """What is trained."""

    base: str = Field(description="mini, a folder, or a name on the model hub")
    template: str = Field("", description="prompt template; empty means its family's own")
    look: LookSettings = LookSettings()
    lora: LoraSettings | None = Field(None, description="adapters; unset: every weight is trained")
    frozen: tuple[str, ...] = Field((), description="patterns of weights that stay, without lora")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of the arithmetic; auto: float32 on a CPU, bfloat16 elsewhere"
    )
    gradient_checkpointing: bool = Field(
        False, description="compute activations twice instead of keeping them"
    )

    @model_validator(mode="after")
    def _one_way(self) -> "NetworkSettings":
        if self.lora is not None and self.frozen:
            raise ValueError("frozen: with lora all weights but the adapters are: leave it out")
        return self

    def arithmetic(self, device: str) -> Literal["float32", "bfloat16"]:
        """The dtype that the network computes in on a device.

        >>> NetworkSettings(base="mini").arithmetic("cuda:0")
        'bfloat16'
        """
        if self.precision != "auto":
            return self.precision
        return "float32" if device.startswith("cpu") else "bfloat16"


class BatchSettings(_Section):
    """What one step sees. The pool of negatives is always the whole global batch."""

    size: int = Field(768, ge=2, description="queries of a batch over all ranks (the paper's)")
    sub_batches: int = Field(1, ge=1, description="homogeneous parts of a batch; 1: one task")
    negatives: Literal["batch", "sub-batch"] = Field(
        "batch", description="whose documents a query is compared with"
    )
    accumulate: int = Field(
        1, ge=1, description="batches of a step, each with its own pool of negatives, averaged"
    )
    # Memory is bounded here and never by smaller batches, which would have fewer negatives.
    chunk_tokens: int = Field(
        0, ge=0, description="tokens encoded at once, with padding; 0: by the device"
    )
    chunk_items: int = Field(256, gt=0, description="contents encoded at once, at most")
    # [open] As many as MMEB's rows and most miners give; each costs as much as a positive.
    hard_negatives: int = Field(4, ge=0, description="of a row, at most")
    positives: int = Field(1, ge=1, description="of a row, at most")

    def room(self, device: str) -> int:
        """Tokens that are encoded at once on a device, with padding.

        >>> BatchSettings().room("cuda:1")
        32768
        """
        kind = device.partition(":")[0]
        return self.chunk_tokens or _CHUNK_TOKENS.get(kind, _CHUNK_TOKENS["cpu"])


class OptimizerSettings(_Section):
    """AdamW (Loshchilov & Hutter, arXiv 1711.05101) and its schedule."""

    learning_rate: float = Field(2e-4, gt=0, description="at its peak (the paper's, for LoRA)")
    rates: dict[str, PositiveFloat] = Field(
        {}, description="pattern of weights -> their own peak; the first that matches counts"
    )
    schedule: Literal["cosine", "linear", "constant"] = Field("cosine", description="after warm-up")
    # [open] VLM2Vec warms up over about this share.
    warmup: float = Field(0.05, ge=0, lt=1, description="share of the steps")
    weight_decay: float = Field(0.05, ge=0, description="of matrices (the paper's)")
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = Field(1e-8, gt=0)
    clip_norm: float = Field(1.0, gt=0, description="largest norm of the gradient")


class LossSettings(_Section):
    """InfoNCE and its parts; see :func:`rzen.training.losses.info_nce`."""

    alpha: float = Field(9.0, ge=0, description="strength of hardness weights; 0: none")
    delta: float | None = Field(0.95, description="nearer documents are no negatives")
    # [open] Detached as in LLaVE and sentence-transformers: the loss has the same value, and the
    # weights do not pull a negative's cosine on their own account.
    detach_weights: bool = True
    false_negatives: FalseNegatives | Literal["none"] = "document"
    threshold: float | None = Field(None, description="of the rule, in the place of delta")
    # [open] The formula of the paper has one direction.
    symmetric: bool = Field(False, description="documents are asked for their queries, too")


class CheckpointSettings(_Section):
    """When the state of a run is saved."""

    every_steps: int = Field(200, gt=0)
    every_minutes: float = Field(20.0, gt=0)
    keep: int = Field(2, ge=1, description="newest ones kept, and the best")


class EvaluationSettings(_Section):
    """What is measured while training."""

    suite: str = Field("", description="such as rzen-bench; empty: nothing is measured")
    split: Literal["validation", "test"] = "validation"
    data: str = Field("", description="folder of its files, seen from the recipe; of mmeb-v2")
    limit: int | None = Field(None, gt=0, description="queries of a set, at most")
    every_steps: int = Field(500, gt=0)
    patience: int = Field(
        0, ge=0, description="measurements without a better one until it stops early; 0: never"
    )
    keep_best: bool = Field(False, description="the model is that of the best measurement")


class StageSettings(_Section):
    """One stage: from weights to better weights."""

    name: str = Field(min_length=1)
    start: str = Field("", description="name of the stage it goes on from; empty: the base")
    sources: tuple[str, ...] = Field((), description="names of sources; empty: all")
    repeat: dict[str, PositiveFloat] = Field(
        {}, description="source -> how often an epoch of this stage takes each row"
    )
    weights: dict[str, PositiveFloat] = Field(
        {}, description="group -> how many batches it gets in this stage"
    )
    epochs: float = Field(1.0, gt=0)
    steps: int | None = Field(None, gt=0, description="in the place of epochs")
    batch: BatchSettings = BatchSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    loss: LossSettings = LossSettings()
    temperature: TemperatureSettings = TemperatureSettings()
    checkpoint: CheckpointSettings = CheckpointSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    # Of all rows that were tried, from a hundred on. A few broken files are usual in scraped data.
    max_failed: float = Field(0.05, ge=0, le=1, description="share of rows that may be unreadable")
    workers: int = Field(
        -1, ge=-1, description="processes that read and decode; -1: by the machine, 0: none"
    )
    log_every: int = Field(1, gt=0, description="steps between lines of the log")

    @model_validator(mode="after")
    def _whole(self) -> "StageSettings":
        if self.batch.size % self.batch.sub_batches:
            raise ValueError(
                f"batch.size {self.batch.size}: no multiple of {self.batch.sub_batches} sub_batches"
            )
        if Path(self.name).name != self.name or self.name.startswith("."):
            raise ValueError(f"name {self.name!r} cannot be that of a folder")
        return self
