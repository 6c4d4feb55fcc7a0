"""The demo: fetch a folder of real files, index it, search it, ask it, and show it on one page.

Run by `make demo`. Everything lies in .demo/ afterwards: the files, the index and the page.
"""

import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from examples.demo import corpus
from examples.demo.queries import QUERIES, QUESTIONS, DemoQuery
from rzen.api import Index, load
from rzen.cli.output import complain, say
from rzen.cli.progress import ingest_progress
from rzen.errors import FingerprintError, RzenError
from rzen.index.filters import Filters
from rzen.ingest.pipeline import IngestOptions
from rzen.ingest.report import Report
from rzen.render.page import Block, Document, QueryImage, place, render
from rzen.render.pictures import query_images
from rzen.types import MODALITIES, Hit

SHOWN = 5


def main() -> int:
    """Runs the demo; 1 when a file could not be indexed or a first hit is not the expected one."""
    home = Path(".demo")
    files = home / "files"
    say("Fetching the demo's files (once, about 81 MB) ...")
    paths = corpus.build(files, cache=home / "cache", progress=say)
    by_name = {path.name: path for path in paths}
    say("Loading the encoder `mini` (the first time its networks are exported) ...")
    with Index.open(home / "demo.rzen", load("mini")) as index:
        report = _add(index, files)
        made = ", ".join(f"{count} {name}" for name, count in sorted(report.records.items()))
        say(
            f"{report.indexed} files indexed ({made or 'nothing new'}), {report.unchanged} "
            f"unchanged, {len(report.failed)} failed, in {report.seconds:.1f} s"
        )
        say()
        for failure in report.failed:
            complain(f"{failure.uri}: {failure.reason}")
        blocks, surprises = _search(index, by_name)
        blocks += _ask(index)
        counts = index.counts()
        facts = {"files": str(len(index.files())), "encoder": "mini"}
        facts |= {name: str(counts.records.get(name, 0)) for name in MODALITIES}
    page = home / "demo.html"
    page.write_text(
        render(Document(title="rzen: the demo", blocks=blocks, facts=facts)), encoding="utf-8"
    )
    _farewell(page, surprises)
    return 1 if report.failed or surprises else 0


def _add(index: Index, files: Path) -> Report:
    with ingest_progress() as on_progress:
        options = IngestOptions(on_progress=on_progress)
        try:
            return index.add(files, options)
        except FingerprintError:
            # Made by an earlier version of the encoder; the demo's own index is not worth keeping.
            index.close()
            shutil.rmtree(index.folder)
            return index.add(files, options)


def _search(index: Index, by_name: dict[str, Path]) -> tuple[list[Block], list[str]]:
    blocks, surprises = [], []
    for query in QUERIES:
        image = by_name[query.image] if query.image else None
        page = _page(query, by_name)
        hits = index.search(
            query.text,
            image=image,
            page=page,
            minus=query.minus or (),
            filters=Filters(modalities=frozenset(query.modalities)),
            k=SHOWN + 1,
            group=page is None,
        )
        hits = _without_query(hits, image, page)[:SHOWN]
        heading = _heading(query)
        say(f"{query.kind}: {heading}")
        _say_hits(hits)
        if query.expected and (not hits or Path(hits[0].uri).name not in query.expected):
            surprises.append(f"{query.kind}, {heading}: expected {' or '.join(query.expected)}")
        images = _query_images(image, page)
        blocks.append(Block(heading=heading, kind=query.kind, images=images, hits=hits))
    return blocks, surprises


def _ask(index: Index) -> list[Block]:
    blocks = []
    for question in QUESTIONS:
        answer = index.ask(question)
        say(f"ask: {question}")
        for line in answer.text.splitlines():
            say(f"     {line}")
        for cite in answer.citations:
            say(f"     [{cite.number}] {Path(cite.hit.uri).name} {place(cite.hit)}".rstrip())
        say()
        blocks.append(Block(heading=question, kind="ask", answer=answer))
    return blocks


def _page(query: DemoQuery, by_name: dict[str, Path]) -> str | None:
    if query.page is None:
        return None
    name, _, number = query.page.partition("#")
    return f"{by_name[name]}#{number}"


def _heading(query: DemoQuery) -> str:
    parts = [part for part in (query.image, query.page, query.text) if part]
    return " + ".join(parts) + (f" - {query.minus}" if query.minus else "")


def _without_query(hits: Iterable[Hit], image: Path | None, page: str | None) -> list[Hit]:
    """Hits without the file or page that was asked with: it is always its own best match."""
    asked = {str(image.resolve())} if image else set()
    if page:
        asked.add(str(Path(page.rpartition("#")[0]).resolve()) + "#" + page.rpartition("#")[2])
    return [hit for hit in hits if not asked & {hit.uri, f"{hit.uri}#{hit.page}"}]


def _query_images(image: Path | None, page: str | None) -> list[QueryImage]:
    return query_images([str(name) for name in (image, page) if name])


def _say_hits(hits: Iterable[Hit]) -> None:
    for hit in hits:
        say(f"  {hit.score:.3f}  {hit.modality:5}  {Path(hit.uri).name} {place(hit)}".rstrip())
    say()


def _farewell(page: Path, surprises: list[str]) -> None:
    for surprise in surprises:
        complain(f"not as expected: {surprise}")
    rzen = Path(sys.executable).parent / "rzen"
    command = "rzen" if shutil.which("rzen") else str(rzen)
    say(f"All of it on one page: {page.absolute()}")
    say()
    say("Now your own files:")
    say(f"  {command} index ~/Pictures ~/Documents")
    say(f'  {command} search "a boat on a lake" --open')
    say(f'  {command} ask "which invoice is overdue?"')


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RzenError, corpus.CorpusError) as error:
        complain(str(error))
        sys.exit(2)
