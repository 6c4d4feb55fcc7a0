"""The result page: what was retrieved is shown and never runs."""

from html.parser import HTMLParser

from rzen.render.page import Block, Document, QueryImage, render
from rzen.types import Answer, Citation, Hit

EVIL = '"><script>alert(1)</script><img src="http://evil.example/x.png" onerror="x">'


class _Collector(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def _tags(html: str) -> list[tuple[str, dict[str, str | None]]]:
    collector = _Collector()
    collector.feed(html)
    return collector.tags


def _hit(**fields: object) -> Hit:
    return Hit(**{"id": "x", "modality": "text", "uri": "/a/b.txt", "score": 0.5, **fields})  # type: ignore[arg-type]


def test_retrieved_text_is_escaped_everywhere() -> None:
    """A file that holds markup must not run in the reader's browser (names, text, captions)."""
    hit = _hit(uri=f"/tmp/{EVIL}", text=EVIL, paths=(f"/tmp/{EVIL}", EVIL), preview=b"jpeg")  # noqa: S108
    answer = Answer(
        question=EVIL, text=EVIL, warnings=(EVIL,), citations=(Citation(number=1, hit=hit),)
    )
    block = Block(
        heading=EVIL,
        kind=EVIL,
        note=EVIL,
        images=[QueryImage(jpeg=b"j", caption=EVIL)],
        hits=[hit],
        answer=answer,
    )
    tags = _tags(render(Document(title=EVIL, blocks=[block], facts={EVIL: EVIL})))
    assert "script" not in {tag for tag, _ in tags}
    for tag, attributes in tags:
        assert not any(name.startswith("on") for name in attributes)
        if tag in ("img", "video"):
            assert (attributes["src"] or "").startswith(("data:image/jpeg;base64,", "file:///"))


def test_the_policy_allows_nothing_remote() -> None:
    """Were a mistake made in escaping, the browser must still refuse to fetch or run anything."""
    tags = _tags(render(Document(title="t", blocks=[])))
    [policy] = [
        attributes["content"] or ""
        for tag, attributes in tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "http" not in policy


def test_a_video_starts_at_its_moment_and_a_page_opens_at_its_number() -> None:
    """A link to the whole file would make people search again in what was found."""
    video = _hit(modality="video", uri="/v/a b.mp4", t_start=12.5, t_end=20.0)
    page = _hit(modality="page", uri="/d/r.pdf", page=3, preview=b"jpeg")
    tags = _tags(render(Document(title="t", blocks=[Block(heading="h", hits=[video, page])])))
    assert [a["src"] for tag, a in tags if tag == "video"] == ["file:///v/a%20b.mp4#t=12.50,20.00"]
    assert "file:///d/r.pdf#page=3" in [a.get("href") for tag, a in tags if tag == "a"]


def test_names_that_are_not_unicode_can_be_shown() -> None:
    """A lone surrogate in a name would make writing the page fail."""
    html = render(
        Document(
            title="t",
            blocks=[Block(heading="h", hits=[_hit(uri="/a/\udce9.txt", text="half \ud83d")])],
        )
    )
    assert "file:///a/%E9.txt" in html
    html.encode("utf-8")
