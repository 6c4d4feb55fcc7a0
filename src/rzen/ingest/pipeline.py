"""Files to records: decoders read ahead in their own processes while the encoder runs.

The order of things for one file: hash (is the content known?), decode into segments, encode in
batches that mix files, and one transaction when its last segment has its vector. Interrupted at any
moment, the files that were written are whole and the others are read in the next run.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rzen.config import Settings, available_cores
from rzen.errors import MediaError
from rzen.index.catalog import Catalog
from rzen.ingest.discover import Found, discover, indexed_roots
from rzen.ingest.report import Failure, Progress, Report
from rzen.ingest.segment import TASK, Segment, arguments, unpack
from rzen.media.formats import sniff
from rzen.media.source import label
from rzen.media.worker import DecoderPool, Event
from rzen.protocols import Encoder
from rzen.types import Encoded, Frames, Record, Text, record_id

BATCHES_IN_FLIGHT = 2
BATCH_PIXEL_BYTES = 128 * 2**20
HASH_BYTES = 16
HASHED_UNSEEN_BYTES = 16 * 2**20
"""A larger file is looked at before all of it is read, for it may be none that can be indexed."""


@dataclass(slots=True, kw_only=True)
class IngestOptions:
    """How one run goes about it.

    Attributes:
        hidden: also what begins with a dot.
        follow_links: also what symbolic links point to.
        retry_failed: read unchanged files again that failed before.
        on_progress: called after every step that changes the figures.
    """

    hidden: bool = False
    follow_links: bool = False
    retry_failed: bool = False
    on_progress: Callable[[Progress], None] | None = None


@dataclass(slots=True, kw_only=True)
class _File:
    """A file on its way through the pipeline."""

    found: Found
    content: str
    twins: list[Found] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    pending: int = 0
    decoded: bool = False
    problems: list[str] = field(default_factory=list)


def ingest(
    roots: Iterable[Path],
    catalog: Catalog,
    encoder: Encoder,
    settings: Settings,
    options: IngestOptions | None = None,
) -> Report:
    """Brings the index up to date with the files under ``roots``.

    Args:
        roots: folders and files; relative to the working directory or absolute.
        catalog: open for writing.
        encoder: the one whose fingerprint the catalog has.
        settings: limits and ingest settings.
        options: how to go about it.

    Raises:
        UsageError: if a root does not exist.
    """
    options = options or IngestOptions()
    roots = indexed_roots(roots)
    known = {}
    for root in roots:
        known.update(catalog.files(under=root))
    plan = discover(
        roots,
        known,
        hidden=options.hidden,
        follow_links=options.follow_links,
        retry_failed=options.retry_failed,
    )
    run = _Run(catalog, encoder, settings, options)
    if options.retry_failed:
        run.again = {row.content for row in known.values() if row.reason and row.content}
    run.report.unchanged = plan.unchanged
    run.report.skipped = plan.skipped
    failures = {**plan.known_failures, **plan.unreadable}
    run.report.failed = [Failure(uri=uri, reason=reason) for uri, reason in failures.items()]
    run.read(plan.read)
    if not run.report.interrupted:
        # Last, so that what was renamed is found under its new name before its content goes.
        run.report.removed = catalog.remove(plan.gone)
    run.report.seconds = run.progress.seconds
    return run.report


def content_hash(path: Path) -> str:
    """The hash that names a file's content: BLAKE2b with 16 bytes, as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(
            stream, lambda: hashlib.blake2b(digest_size=HASH_BYTES)
        ).hexdigest()


class _Run:
    """The state of one ingest."""

    def __init__(
        self, catalog: Catalog, encoder: Encoder, settings: Settings, options: IngestOptions
    ) -> None:
        self.catalog = catalog
        self.encoder = encoder
        self.settings = settings
        self.on_progress = options.on_progress
        self.report = Report()
        self.progress = Progress()
        self.files: dict[int, _File] = {}
        self.by_content: dict[str, _File] = {}
        self.again: set[str] = set()  # contents that are read once more though they are known
        self.batch: list[tuple[int, Segment]] = []
        self.batch_bytes = 0
        self.in_flight: deque[tuple[list[tuple[int, Segment]], Future[Encoded]]] = deque()

    def read(self, files: list[Found]) -> None:
        """Reads, encodes and writes ``files``; on an interrupt keeps what is whole."""
        self.progress.files_total = len(files)
        self.progress.bytes_total = sum(found.size for found in files)
        self._tell()
        if not files:
            return
        workers = self.settings.ingest.workers or min(available_cores(), len(files))
        limits = self.settings.limits
        asked = arguments(budget=self.encoder.budget, limits=limits, settings=self.settings.ingest)
        with (
            self.catalog.batch(),
            ThreadPoolExecutor(1, "encoder") as encoding,
            DecoderPool(TASK, asked, workers=workers, limits=limits) as pool,
        ):
            try:
                for event in pool.run(self._jobs(files)):
                    self._take(event, encoding)
                self._flush(encoding)
                self._drain(0)
            except KeyboardInterrupt:
                self.report.interrupted = True
                encoding.shutdown(wait=False, cancel_futures=True)

    def _jobs(self, files: list[Found]) -> Iterator[tuple[int, Path]]:
        """Hashes each file as the decoders ask for work; known content needs no decoder."""
        for key, found in enumerate(files):
            path = Path(found.path)
            try:
                if found.size > HASHED_UNSEEN_BYTES:
                    self._refuse(found)
                content = content_hash(path)
            except OSError as error:
                self._failed(found, f"cannot be read: {error.strerror or error}")
                continue
            except MediaError as error:
                self._failed(found, _told(found, str(error)))
                continue
            if content not in self.again and self.catalog.has_content(content):
                where = (found.path, found.size, found.mtime_ns, content)
                self._indexed(found, self.catalog.link(*where))
            elif content in self.by_content:
                self.by_content[content].twins.append(found)
            else:
                self.files[key] = self.by_content[content] = _File(found=found, content=content)
                # The decoders may take long; what was linked should not wait for them.
                self.catalog.flush()
                yield key, path
        self.catalog.flush()

    def _refuse(self, found: Found) -> None:
        """Raises what the decoders would, before gigabytes are read for the hash."""
        limit = self.settings.limits.file_bytes
        if found.size > limit:
            raise MediaError(
                f"{found.size:,} bytes are more than the limit of {limit:,}: raise the setting "
                "limits.file_bytes to read it"
            )
        sniff(Path(found.path))

    def _take(self, event: Event, encoding: ThreadPoolExecutor) -> None:
        file = self.files[event.key]
        if event.kind == "item":
            assert event.message is not None
            file.pending += 1
            segment = unpack(event.message)
            self.batch.append((event.key, segment))
            self.batch_bytes += _pixel_bytes(segment)
            if (
                len(self.batch) >= self.settings.ingest.batch_items
                or self.batch_bytes >= BATCH_PIXEL_BYTES
            ):
                self._flush(encoding)
                self._drain(BATCHES_IN_FLIGHT - 1)
            return
        file.decoded = True
        if event.reason:
            file.problems.append(_told(file.found, event.reason))
        self._write_if_whole(event.key)

    def _flush(self, encoding: ThreadPoolExecutor) -> None:
        if self.batch:
            contents = [segment.content for _, segment in self.batch]
            future = encoding.submit(self.encoder.encode, contents, role="document")
            self.in_flight.append((self.batch, future))
            self.batch = []
            self.batch_bytes = 0

    def _drain(self, leave: int) -> None:
        """Takes the vectors of encoded batches until ``leave`` are still in flight."""
        while len(self.in_flight) > leave:
            batch, future = self.in_flight.popleft()
            encoded = future.result()
            for row, (key, segment) in enumerate(batch):
                file = self.files[key]
                file.pending -= 1
                file.problems += [
                    ": ".join(filter(None, [segment.span.key, warning]))
                    for warning in encoded.warnings.get(row, ())
                ]
                reason = encoded.failed.get(row)
                if reason is None and not np.isfinite(encoded.vectors[row]).all():
                    reason = "the encoder gave a vector that is not finite"
                if reason is not None:
                    file.problems.append(": ".join(filter(None, [segment.span.key, reason])))
                else:
                    seen = ", ".join(map(str, encoded.seen.get(row, ())))
                    file.records.append(_record(file.content, segment, encoded.vectors[row], seen))
                    self._count(segment)
                self._write_if_whole(key)
            # The next batch may take long: what is whole should not wait for it.
            self.catalog.flush()

    def _write_if_whole(self, key: int) -> None:
        file = self.files[key]
        if not file.decoded or file.pending:
            return
        del self.files[key], self.by_content[file.content]
        if not file.records and not file.problems:
            file.problems.append("there is nothing in it that could be indexed")
        reason = "; ".join(file.problems)
        if file.records and reason:
            reason = f"in part: {reason}"
        for found in [file.found, *file.twins]:
            if not file.records:
                self._failed(found, reason)
            elif _changed_since(found):
                self._failed(found, "it changed while it was read: index it again")
            else:
                self._store(found, file, reason)
                self._indexed(found, reason)

    def _store(self, found: Found, file: _File, reason: str) -> None:
        where = (found.path, found.size, found.mtime_ns, file.content)
        if found is file.found or not self.catalog.has_content(file.content):
            self.catalog.put(*where, file.records, reason=reason)
        else:
            self.catalog.link(*where, reason=reason)

    def _failed(self, found: Found, reason: str) -> None:
        self.catalog.fail(found.path, found.size, found.mtime_ns, reason)
        self.report.failed.append(Failure(uri=found.path, reason=reason))
        self.progress.failed += 1
        self._done(found)

    def _indexed(self, found: Found, reason: str = "") -> None:
        self.report.indexed += 1
        if reason:
            self.report.failed.append(Failure(uri=found.path, reason=reason))
            self.progress.failed += 1
        self._done(found)

    def _done(self, found: Found) -> None:
        self.progress.files_done += 1
        self.progress.bytes_done += found.size
        self.progress.current = found.path
        self._tell()

    def _count(self, segment: Segment) -> None:
        counts = self.report.records
        counts[segment.modality] = counts.get(segment.modality, 0) + 1
        self.progress.records = counts
        span = segment.span
        if span.t_start is not None and span.t_end is not None:
            self.progress.video_seconds += span.t_end - span.t_start
        self._tell()

    def _tell(self) -> None:
        if self.on_progress is not None:
            self.on_progress(self.progress)


def _record(content: str, segment: Segment, vector: object, seen: str) -> Record:
    return Record(
        id=record_id(content, segment.span),
        modality=segment.modality,
        span=segment.span,
        text=segment.text,
        metadata={**segment.metadata, "seen": seen} if seen else segment.metadata,
        vector=vector,  # type: ignore[arg-type]
        preview=segment.preview,
    )


def _pixel_bytes(segment: Segment) -> int:
    sources = (part.source for part in segment.content.parts if not isinstance(part, Text))
    return sum(
        pixels.nbytes
        for source in sources
        if isinstance(source, Frames)
        for pixels in source.pixels
    )


def _told(found: Found, reason: str) -> str:
    """The reason without the file's name, which decoders begin with and reports have beside it."""
    return reason.removeprefix(f"{label(Path(found.path))}: ")


def _changed_since(found: Found) -> bool:
    try:
        now = Path(found.path).stat()
    except OSError:
        return True
    return (now.st_size, min(now.st_mtime_ns, 2**63 - 1)) != (found.size, found.mtime_ns)
