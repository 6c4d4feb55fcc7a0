"""Texts: encodings, HTML, passages."""

import codecs
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rzen.config import Limits
from rzen.errors import MediaError
from rzen.media import text

LIMITS = Limits()
GERMAN = (
    "Über den Wolken muß die Freiheit wohl grenzenlos sein. Alle Ängste, alle Sorgen, sagt man, "
    "blieben darunter verborgen, und dann würde, was uns groß und wichtig erscheint, plötzlich "
    "nichtig und klein. "
)


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (b"", "cp1252"),
        (b"", "latin-1"),
    ],
)
def test_encodings(mark: bytes, encoding: str) -> None:
    assert text.read(mark + (GERMAN * 3).encode(encoding), limits=LIMITS).text == GERMAN * 3


def test_cyrillic_without_a_mark() -> None:
    words = (
        "\u0412\u0441\u0435 \u0441\u0447\u0430\u0441\u0442\u043b\u0438\u0432\u044b\u0435 "
        "\u0441\u0435\u043c\u044c\u0438 \u043f\u043e\u0445\u043e\u0436\u0438 "
        "\u0434\u0440\u0443\u0433 \u043d\u0430 \u0434\u0440\u0443\u0433\u0430. "
    ) * 12  # all happy families are alike
    assert text.read(words.encode("cp1251"), limits=LIMITS).text == words


def test_a_character_cut_by_the_end_of_the_head_is_no_junk() -> None:
    """The first 64 KB rarely end where a UTF-8 character does."""
    words = "a" + "ü" * 200_000
    assert text.read(words.encode(), limits=LIMITS).text == words


def test_late_damage_is_marked_and_told() -> None:
    data = ("word " * 100_000).encode() + b"\xff\xfe tail"
    document = text.read(data, limits=LIMITS)
    assert document.text.endswith("\ufffd\ufffd tail")
    assert "U+FFFD" in document.remark


def test_newlines_are_one_kind() -> None:
    assert text.read(b"a\r\nb\rc\n", limits=LIMITS).text == "a\nb\nc\n"


def test_binary_data_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "junk.txt"
    path.write_bytes(bytes(range(256)) * 10)
    with pytest.raises(MediaError, match=r"junk\.txt: binary data"):
        text.read(path, limits=LIMITS)


def test_size_limit(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("x" * 100)
    with pytest.raises(MediaError, match=r"limits\.text_bytes"):
        text.read(path, limits=Limits(text_bytes=99))


HTML = """<!DOCTYPE html><html><head><title> The
 title </title><style>p { color: red }</style></head>
<body><h1>Head&amp;line</h1><p>One <b>bold</b>   word.<br>Next&nbsp;line
<script>var x = "<p>no"</script>
<ul><li>first<li>second</ul><table><tr><td>a</td><td>b</td></tr></table>
<pre>  kept
    as is</pre><img src="http://evil/x.png" alt="a red boat"><template>hidden</template></body>"""


def test_html_gives_what_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(HTML)
    document = text.read(path, limits=LIMITS)
    assert document.title == "The title"
    lines = document.text.split("\n")
    assert "Head&line" in lines
    assert "One bold word." in lines
    assert "first" in lines
    assert "second" in lines
    assert "a red boat" in document.text
    for hidden in ("color", "var x", "evil", "hidden", "<", "The title"):
        assert hidden not in document.text


def test_html_is_known_without_its_name_and_source_code_is_left_alone(tmp_path: Path) -> None:
    assert text.read(HTML.encode(), limits=LIMITS).title == "The title"
    code = tmp_path / "view.py"
    code.write_text('page = "<p>hello</p>"\n')
    assert text.read(code, limits=LIMITS).text == 'page = "<p>hello</p>"\n'


def test_markdown_title(tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    path.write_text("intro\n\n# Boats and ships\n\ntext")
    assert text.read(path, limits=LIMITS).title == "Boats and ships"


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("# Boats ##", "Boats"),
        ("#   Boats   ", "Boats"),
        ("# C#", "C#"),
        ("#Boats", ""),
        ("## Boats", ""),
        ("#   \n# Boats", "Boats"),
    ],
)
def test_markdown_headings(tmp_path: Path, line: str, title: str) -> None:
    """Guards against closing marks in titles, and against marks that belong to the words."""
    path = tmp_path / "notes.md"
    path.write_text(line)
    assert text.read(path, limits=LIMITS).title == title


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("comments.txt", "<!---->" * 3000 + "x"),
        ("comments.txt", "<!-- a --> " * 3000 + "x"),
        ("open.txt", "<!--" * 200_000),
        ("title.md", "# a" + " #" * 100_000 + "x"),
        ("title.md", "# a" + " " * 300_000 + "b"),
        ("page.html", "<pre>a" + " " * 300_000 + "b"),
    ],
)
def test_hostile_texts_are_read_in_linear_time(tmp_path: Path, name: str, words: str) -> None:
    """Guards against regular expressions that backtrack: this test would not end, or in minutes."""
    path = tmp_path / name
    path.write_text(words)
    document = text.read(path, limits=LIMITS)
    assert document.text == words.removeprefix("<pre>")


def test_html_is_known_behind_comments() -> None:
    """Guards against a lost page when the comments before it are not taken apart any more."""
    page = "<?xml version='1.0'?> <!-- one --><!-- two\n> -- --> " + HTML
    assert text.read(page.encode(), limits=LIMITS).title == "The title"


TEXTS = st.text(st.sampled_from("ab. !?\n\té語"), max_size=600)


@example("??? ???? ????", 8, 4)
@given(TEXTS, st.integers(5, 60), st.integers(0, 80))
def test_passages_cover_everything_in_order(words: str, chars: int, overlap: int) -> None:
    """Nothing is lost, nothing is too long, neighbours share no more than they may."""
    spans = text.passages(words, chars=chars, overlap=overlap)
    covered = set()
    for number, (start, end) in enumerate(spans):
        assert 0 < end - start <= chars
        assert not words[start].isspace()
        assert not words[end - 1].isspace()
        covered |= set(range(start, end))
        if number:
            before = spans[number - 1]
            assert start > before[0]
            assert end > before[1]
            assert before[1] - start <= overlap
    assert all(at in covered for at, char in enumerate(words) if not char.isspace())


def test_passages_end_at_the_strongest_border() -> None:
    paragraphs = [" ".join(["A short sentence."] * count) for count in (40, 30, 35)]
    whole = "\n\n".join(paragraphs)
    found = [whole[start:end] for start, end in text.passages(whole, chars=1000, overlap=100)]
    assert found == paragraphs


def test_neighbours_share_the_last_sentence() -> None:
    whole = "".join(f"This is sentence number {number:03}. " for number in range(100))
    spans = text.passages(whole, chars=1000, overlap=100)
    for (_, end), (start, _) in pairwise(spans):
        assert 0 < end - start <= 100
        assert whole[start:].startswith("This is")


def test_one_endless_word_is_cut() -> None:
    spans = text.passages("x" * 2500, chars=1000, overlap=0)
    assert spans == [(0, 1000), (1000, 2000), (2000, 2500)]


@pytest.mark.parametrize(
    ("words", "encoding"),
    [
        ("Café crème brûlée, déjà vu, naïve façade\n" * 3, "cp1252"),
        ("A situação não está fácil, então vocês precisam ter paciência.\n", "cp1252"),
        ("Die Größe der Tür überraschte die Gäste, sie hörten schöne Klänge.\n", "cp1252"),
        ("Zażółć gęślą jaźń. Mężczyzna poszedł do sklepu po chleb i mleko.\n", "cp1250"),
        ("Příliš žluťoučký kůň úpěl ďábelské ódy. Večer šel muž domů.\n", "cp1250"),
    ],
)
def test_code_pages_are_told_apart(words: str, encoding: str) -> None:
    """French read as Baltic ("crčme brūlée") can neither be found nor quoted."""
    assert text.read(words.encode(encoding), limits=Limits()).text == words
