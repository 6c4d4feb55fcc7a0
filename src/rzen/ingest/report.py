"""What an ingest tells while it runs and when it is done."""

import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A file that could not be indexed, or not wholly.

    Attributes:
        uri: absolute path.
        reason: why, and what can be done.
    """

    uri: str
    reason: str


@dataclass(slots=True, kw_only=True)
class Progress:
    """Live figures of a running ingest.

    Attributes:
        files_total: files to read in this run.
        files_done: read so far, failed ones among them.
        bytes_total: their size.
        bytes_done: size of those read.
        records: what has been encoded, by modality.
        video_seconds: seconds of video encoded.
        failed: files that failed.
        current: the path last touched.
        started: monotonic seconds.
    """

    files_total: int = 0
    files_done: int = 0
    bytes_total: int = 0
    bytes_done: int = 0
    records: dict[str, int] = field(default_factory=dict)
    video_seconds: float = 0.0
    failed: int = 0
    current: str = ""
    started: float = field(default_factory=time.monotonic)

    @property
    def items(self) -> int:
        """Records made so far."""
        return sum(self.records.values())

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    @property
    def fraction(self) -> float:
        """How much is done, in [0, 1].

        The mean of the shares of files and of bytes: a second goes by files where there are many
        notes, by bytes where there are long videos.
        """
        if not self.files_total:
            return 0.0
        of_bytes = self.bytes_done / self.bytes_total if self.bytes_total else 1.0
        return (self.files_done / self.files_total + of_bytes) / 2

    @property
    def seconds_left(self) -> float | None:
        """An estimate from the share that is done; ``None`` before there is one."""
        if not self.files_done:
            return None
        return self.seconds * (1 - self.fraction) / self.fraction


@dataclass(slots=True, kw_only=True)
class Report:
    """The outcome of an ingest.

    Attributes:
        indexed: files read, or found to hold known content, and now in the index.
        unchanged: files that were not read again.
        removed: files that are no more on disk and were taken out.
        failed: each file that is not, or not wholly, in the index.
        skipped: what was passed over on purpose: path -> reason.
        records: records made, by modality.
        seconds: wall time.
        interrupted: stopped by the user; a further run continues.
    """

    indexed: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: list[Failure] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    interrupted: bool = False
