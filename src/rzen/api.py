"""Index and load: what the command line, the service and notebooks share."""

import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rzen.config import AskSettings, Limits, ModelSettings, Settings, load_settings
from rzen.encoders import registry
from rzen.encoders.templates import TEMPLATES
from rzen.endpoint import is_elsewhere
from rzen.errors import CatalogError, RzenError, UsageError
from rzen.index import fingerprint, schema
from rzen.index.catalog import Catalog, Counts, Damage, FileRow
from rzen.index.filters import Filters
from rzen.index.lock import Holder
from rzen.index.store import open_store
from rzen.ingest.discover import indexed_path, indexed_roots
from rzen.ingest.pipeline import IngestOptions, ingest
from rzen.ingest.report import Report
from rzen.protocols import Encoder, Explainer, Generator, Reranker
from rzen.rag import fusion as fusion_of
from rzen.rag import generators
from rzen.rag.answer import answer
from rzen.rag.context import Beside, readable_first, shown_part, with_names
from rzen.rag.conversation import retrieve, standalone
from rzen.search.compose import query_vector
from rzen.search.duplicates import DuplicateGroup
from rzen.search.hits import hit as as_hit
from rzen.search.lists import records_by_rowid
from rzen.search.query import MediaInput, Query, build_query
from rzen.search.searcher import Mode, Searcher
from rzen.types import (
    Answer,
    Content,
    Explanation,
    Hit,
    Turn,
)


def load(
    name_or_path: str,
    *,
    device: str = "auto",
    limits: Limits | None = None,
    model: ModelSettings | None = None,
) -> Encoder:
    """Loads an encoder: "mini", "dummy", a model's name on a hub, a local folder, or an address.

    Args:
        name_or_path: its name.
        device: where a transformer runs: "auto", "cpu", "cuda".
        limits: for the media that it opens itself, such as the picture of a query.
        model: template, dtype, and which models' own code may run.

    Raises:
        EncoderError: if there is no such encoder, or it cannot be loaded.
        MissingExtraError: if the libraries it needs are not installed.
    """
    return registry.create(name_or_path, device=device, limits=limits, model=model)


class Index:
    """A folder ``NAME.rzen`` that holds what was indexed.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     notes = Path(folder) / "notes.txt"
    ...     _ = notes.write_text("The harbour is closed on Monday.")
    ...     with Index.open(Path(folder) / "my.rzen", encoder="dummy") as index:
    ...         report = index.add(notes)
    ...         hits = index.search("harbour")
    ...         hits[0].uri == str(notes.resolve())
    True
    """

    def __init__(
        self,
        folder: Path,
        *,
        encoder: str | Encoder | None,
        settings: Settings,
        on_wait: Callable[[Holder | None], None] | None = None,
    ) -> None:
        self.folder = folder
        self.settings = settings
        self._on_wait = on_wait
        self._encoder_wanted = encoder
        self._encoder: Encoder | None = None
        self._catalog: Catalog | None = None
        self._searcher: Searcher | None = None
        self._made: tuple[str, AskSettings, Generator] | None = None

    @classmethod
    def open(
        cls,
        path: str | Path,
        encoder: str | Encoder | None = None,
        *,
        settings: Settings | None = None,
        on_wait: Callable[[Holder | None], None] | None = None,
    ) -> Self:
        """Opens an index, or names one that the first ``add`` will make.

        Args:
            path: the folder, by custom ``NAME.rzen``.
            encoder: its name, or one that is loaded already; ``None`` takes the one that the index
                was made with, and for a new index the one of the settings.
            settings: ``None`` reads the user's.
            on_wait: told once who is writing, when a change has to wait for another process.
        """
        folder = indexed_path(path)
        settings = settings or load_settings()
        return cls(folder, encoder=encoder, settings=settings, on_wait=on_wait)

    def add(
        self, path: str | Path | Iterable[str | Path], options: IngestOptions | None = None
    ) -> Report:
        """Indexes files and folders; what is unchanged is not read again, what is gone goes.

        Args:
            path: one or several files or folders.
            options: how to go about it, and whom to tell of progress.

        Raises:
            UsageError: if a path does not exist.
            FingerprintError: if the index was made by another encoder.
            CatalogError: if another process is writing and does not finish in time.
        """
        # Before the index is made: a mistyped folder should leave none behind.
        roots = indexed_roots([path] if isinstance(path, str | Path) else path)
        if not self.exists and self.folder.is_dir() and any(self.folder.iterdir()):
            raise UsageError(
                f"{self.folder} holds other files and no index: give the index a folder of its "
                f"own, such as {self.folder / 'my.rzen'}"
            )
        with self._writer(make=True) as catalog:
            fingerprint.check(catalog, self.encoder)
            return ingest(roots, catalog, self.encoder, self.settings, options)

    def search(  # noqa: PLR0913 (the public face: every option has a name of its own)
        self,
        text: str | None = None,
        *,
        image: MediaInput = None,
        video: MediaInput = None,
        page: MediaInput = None,
        minus: str | Path | Sequence[str | Path] = (),
        k: int | None = None,
        mode: Mode | None = None,
        filters: Filters | None = None,
        min_score: float | None = None,
        group: bool = True,
        reranker: Reranker | None = None,
    ) -> list[Hit]:
        """Finds what is nearest to the query, best first.

        Args:
            text: words.
            image: a picture's path or bytes, or several.
            video: a clip's path, or several.
            page: a page of a PDF, ``"report.pdf#3"``, or several.
            minus: what hits should be far from: texts, or paths of media.
            k: how many hits (or files, when grouped).
            mode: meaning and words ("hybrid"), meaning alone ("dense"), words alone ("text").
            filters: which records may be found.
            min_score: drop hits below.
            group: one hit a file, with the others inside it.
            reranker: orders the best hits again.

        Raises:
            UsageError: if there is nothing to search for, or a file of the query is not there.
            FingerprintError: if the index was made by another encoder.
        """
        query = build_query(text, image=image, video=video, page=page, minus=minus)
        return self.find(
            query,
            k=k,
            mode=mode,
            filters=filters,
            min_score=min_score,
            group=group,
            reranker=reranker,
        )

    def find(self, query: Query, *, mode: Mode | None = None, **options: Any) -> list[Hit]:
        """Like :meth:`search`, for a query that is built already."""
        mode = mode or self.settings.search.mode
        words_only = mode == "text"
        return self._search_with(encoder=not words_only).search(query, mode=mode, **options)

    def explain(self, hit: Hit, query: str | Query | NDArray[np.float32]) -> Explanation:
        """Where in a picture, page or video its likeness to a query comes from.

        Args:
            hit: what was found; its file is opened again.
            query: what it was searched with, or its vector, (D,).

        Raises:
            UsageError: if the hit is a text, or this index's encoder cannot explain.
            FingerprintError: if the index was made by another encoder.
            EncoderError: if the query cannot be encoded.
            MediaError: if the hit's file is gone or cannot be opened any more.
        """
        encoder = self.encoder
        if not isinstance(encoder, Explainer):
            raise UsageError(
                f"the encoder {encoder.fingerprint.encoder} cannot say where it looks: mini and "
                "the vision-language models that rzen runs itself (RzenEmbed, Qwen3-VL-Embedding "
                "and their like) can"
            )
        if hit.modality == "text":
            raise UsageError(
                f"{hit.uri} is a text and has no map: only pictures, pages and videos are explained"
            )
        part = shown_part(hit)
        fingerprint.check(self.catalog, encoder)
        if isinstance(query, str):
            query = build_query(query)
        vector_D = query_vector(query, encoder) if isinstance(query, Query) else query
        return encoder.explain(vector_D, Content(part))

    def similar(self, path: str | Path, *, k: int | None = None, **options: Any) -> list[Hit]:
        """What is nearest to a file, which need not be in the index; ``report.pdf#3`` is a page.

        Raises:
            UsageError: if there is no such file.
        """
        return self._search_with(encoder=True).similar(path, k=k, **options)

    def duplicates(self, *, threshold: float | None = None) -> list[DuplicateGroup]:
        """Groups of files with equal or nearly equal content, the largest first."""
        return self._search_with(encoder=False).duplicates(threshold)

    def ask(  # noqa: PLR0913 (the public face, as above)
        self,
        question: str,
        *,
        generator: str | Generator | None = None,
        fusion: str | None = None,
        filters: Filters | None = None,
        k: int | None = None,
        history: Sequence[Turn] = (),
        on_text: Callable[[str], None] | None = None,
    ) -> Answer:
        """Answers a question from what is indexed, with checked citations.

        Args:
            question: in words.
            generator: its name, or one that is made already; ``None`` takes the settings'.
            fusion: how evidence enters what a language model writes; ``None`` takes the settings'.
            filters: which records may be cited.
            k: how many pieces of evidence.
            history: what was asked and answered before, oldest first: the question may lean on it.
            on_text: told of the answer sentence by sentence, each after its check.

        Raises:
            UsageError: if the question is empty or there is no such generator.
        """
        if not question.strip():
            raise UsageError('the question is empty: ask something, as in `rzen ask "who ...?"`')
        ask = self.settings.ask
        if fusion is not None:
            ask = ask.model_copy(update={"fusion": fusion})
        if generator is None or isinstance(generator, str):
            generator = self._generator(generator or ask.generator, ask)
        k = k or ask.k
        model = fusion_of.model_of(generator)
        asked = standalone(question, history, model)
        hits = retrieve(
            asked,
            lambda query: self.search(query, k=2 * k, filters=filters, group=False),
            hops=ask.hops,
            model=model,
        )
        if "frames" not in generator.wants:
            hits = with_names(hits)
        if not generator.wants:
            hits = readable_first(hits)
        return answer(
            question,
            hits[:k],
            generator,
            ask,
            judge=self._judge(),
            index=self,
            history=history,
            asked=asked,
            on_text=on_text,
        )

    def _generator(self, name: str, ask: AskSettings) -> Generator:
        """Makes a generator, or takes the one of the question before: models load slowly."""
        if self._made is None or self._made[:2] != (name, ask):
            made = generators.create(
                name,
                ask,
                encoder=self.encoder,
                device=self.settings.device,
                model=self.settings.model,
            )
            self._made = (name, ask, made)
        return self._made[2]

    def _judge(self) -> Encoder | None:
        """Who compares an answer with its evidence: ``mini``, which that was fitted for."""
        if self.encoder.fingerprint.encoder == "mini":
            return self.encoder
        try:
            return load("mini")
        except RzenError:
            return None  # not installed: words decide

    def beside(self, hit: Hit) -> Beside:
        """What lies directly before and behind a hit in its file: a page, a passage, a scene."""
        around = self.catalog.around(hit.id)
        return Beside(self._neighbour(around.before, hit), self._neighbour(around.after, hit))

    def vectors(self, hits: Sequence[Hit]) -> list[NDArray[np.float32] | None]:
        """The stored vector of each hit, (D,); ``None`` where it is gone from the index."""
        rowids = [self.catalog.around(hit.id).own for hit in hits]
        known = [rowid for rowid in rowids if rowid is not None]
        found = records_by_rowid(self.catalog, known, vectors=True, previews=False)
        return [found[rowid].vector if rowid in found else None for rowid in rowids]

    def _neighbour(self, rowid: int | None, hit: Hit) -> Hit | None:
        found = records_by_rowid(self.catalog, [] if rowid is None else [rowid])
        # Less than the hit it stands beside: it was not found itself.
        return next((as_hit(each, hit.score / 2) for each in found.values()), None)

    def remove(self, path: str | Path | Iterable[str | Path]) -> int:
        """Takes files, or all files under folders, out of the index; the files stay on disk.

        Returns:
            how many files were taken out.

        Raises:
            UsageError: if there is no index.
        """
        paths = [path] if isinstance(path, str | Path) else list(path)
        with self._writer(make=False) as catalog:
            names = {name for each in paths for name in catalog.files(under=indexed_path(each))}
            return catalog.remove(names)

    def verify(self) -> list[Damage]:
        """Checks the catalog and every vector; an empty list means all is well.

        Raises:
            UsageError: if there is no index.
        """
        try:
            return self.catalog.verify()
        except CatalogError as error:
            return [Damage(uri=str(self.folder), reason=str(error))]

    def files(self) -> dict[str, FileRow]:
        """Every file the index knows, failed ones among them."""
        return self.catalog.files()

    def counts(self) -> Counts:
        """How many files and records there are, by modality."""
        return self.catalog.counts()

    @property
    def exists(self) -> bool:
        """Whether the index has been made yet."""
        return schema.is_made(self.folder)

    @property
    def encoder(self) -> Encoder:
        """The encoder, loaded when it is first needed."""
        if self._encoder is None:
            wanted = self._encoder_wanted
            if wanted is None:
                wanted = self._known_encoder() if self.exists else self.settings.encoder
            self._encoder = self._load(wanted) if isinstance(wanted, str) else wanted
        return self._encoder

    def _known_encoder(self) -> str:
        """The name in the index, unless it alone would send queries and a key to another machine.

        Raises:
            UsageError: if it would: whoever made the index chose the address.
        """
        name = self.catalog.fingerprint.encoder
        if is_elsewhere(name) and name != self.settings.encoder:
            raise UsageError(
                f"the index {self.folder} was made with an encoder on another machine: what you "
                "search for would be sent there, with your key; if you want that:  --encoder "
                f"{shlex.quote(name)}"
            )
        return name

    def _load(self, name: str) -> Encoder:
        """Loads an encoder by the settings; an index remembers the template it was made with."""
        model = self.settings.model
        if self.exists and not model.template:
            known, _, version = self.catalog.fingerprint.template.rpartition("-")
            if known in TEMPLATES and TEMPLATES[known].id == f"{known}-{version}":
                model = model.model_copy(update={"template": known})
        return load(name, device=self.settings.device, limits=self.settings.limits, model=model)

    @property
    def catalog(self) -> Catalog:
        """The catalog, open for reading.

        Raises:
            UsageError: if there is no index in the folder.
        """
        if self._catalog is None:
            self._catalog = Catalog.open(self.folder)
        return self._catalog

    def close(self) -> None:
        """Closes the files of the index; it opens them again when it is used again."""
        self._searcher = None
        if self._catalog is not None:
            self._catalog.close()
            self._catalog = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _writer(self, *, make: bool) -> Catalog:
        """The catalog open for writing; what was open for reading is stale from here on."""
        create = self.encoder.fingerprint if make and not self.exists else None
        self.close()
        return Catalog.open(
            self.folder,
            write=True,
            create=create,
            lock_timeout=self.settings.lock_seconds,
            on_wait=self._on_wait,
        )

    def _search_with(self, *, encoder: bool) -> Searcher:
        """A searcher over the present state; words alone need no encoder."""
        if self._searcher is None or self._searcher.is_stale():
            # Matrix and columns must be of one state, whatever a writer does meanwhile.
            with self.catalog.snapshot():
                store = open_store(self.catalog, self.settings.search)
                self._searcher = Searcher(self.catalog, store, None, self.settings.search)
        if encoder and self._searcher.encoder is None:
            fingerprint.check(self.catalog, self.encoder)
            self._searcher.encoder = self.encoder
        return self._searcher
