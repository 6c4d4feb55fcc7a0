"""What the demo asks, and which file should come first."""

from dataclasses import dataclass

from rzen.types import MODALITIES, Modality


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoQuery:
    """One search of the demo.

    Attributes:
        kind: such as "text → image".
        text: the words, if any.
        image: a picture of the corpus to look for.
        page: a page of the corpus to look for, as ``name.pdf#3``.
        minus: what hits should be far from.
        modalities: only hits of these kinds.
        expected: names of files of which one should be the first hit.
    """

    kind: str
    text: str | None = None
    image: str | None = None
    page: str | None = None
    minus: str | None = None
    modalities: tuple[Modality, ...] = MODALITIES
    expected: tuple[str, ...] = ()


QUERIES = (
    DemoQuery(kind="text → image", text="an old rotary telephone", expected=("photo-02.jpg",)),
    DemoQuery(kind="text → image", text="a jellyfish in blue water", expected=("photo-04.jpg",)),
    DemoQuery(
        kind="text → image",
        text="a palace in china",
        modalities=("image",),
        expected=("summer-in-beijing.jpg",),
    ),
    DemoQuery(
        kind="text → page",
        text="financial table with negative numbers in red",
        modalities=("page",),
        expected=("tables-sampler.pdf",),
    ),
    DemoQuery(
        kind="text → page",
        text="samba shared folder links do not show",
        expected=("document-manager-manual.pdf",),
    ),
    DemoQuery(
        kind="text → video moment",
        text="a person riding a bicycle in the street",
        modalities=("video",),
        expected=("street-corner.mp4",),
    ),
    DemoQuery(kind="image → image", image="photo-18.jpg", expected=("photo-03.jpg",)),
    DemoQuery(kind="image → image", image="photo-01.jpg", expected=("photo-31.jpg",)),
    DemoQuery(
        kind="image + text → image",
        image="photo-03.jpg",
        text="lion with a mane",
        modalities=("image",),
        expected=("photo-09.jpg",),
    ),
    DemoQuery(
        kind="text - text → image",
        text="fish",
        minus="goldfish",
        modalities=("image",),
        expected=("photo-19.jpg", "photo-34.jpg"),
    ),
    DemoQuery(
        kind="page → page",
        page="document-manager-manual.pdf#40",
        expected=("document-manager-manual.pdf",),
    ),
    DemoQuery(
        kind="text → text",
        text="what happened when the heater failed",
        expected=("aquarium-diary.txt",),
    ),
    DemoQuery(kind="text → everything", text="coffee", expected=("photo-27.jpg", "photo-08.png")),
)

# The last three are answered from a picture, a page and a moment of a video.
QUESTIONS = (
    "Which invoice is overdue?",
    "How long is the heating element of the kettle covered?",
    "What kind of telephone is in the photo?",
    "Where is the path of the Tesseract program configured?",
    "What is in the street video?",
)
