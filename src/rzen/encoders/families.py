"""The families of embedders that rzen knows: how to recognise one, and how it wants to be asked.

Adding a family is adding a row. What a row says is a fact of somebody's published code or files,
with its origin; what could not be found is said to be missing. Nothing heavy is imported here.
"""

import fnmatch
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from rzen.encoders.sizes import Bounds
from rzen.errors import EncoderError
from rzen.types import MediaBudget, Modality, Role

Steps: TypeAlias = tuple[Bounds, ...]
_PIXELS_28 = 28 * 28
_PIXELS_32 = 32 * 32
_USUAL = MediaBudget()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How large pictures and frames are shown to a vision-language model.

    Attributes:
        picture: bounds that a picture or a page is resized to, one after another.
        frames: number of frames -> bounds that each is resized to.
        tokens: of a whole prompt, at most.
        template: name of the family's own one.
    """

    picture: Steps
    frames: Callable[[int], Steps]
    tokens: int
    template: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A published model of a family.

    Attributes:
        name: on the hub.
        parameters: how many.
        dim: of its vectors.
        verified: what its real weights were compared with; empty: they were never at hand.
    """

    name: str
    parameters: int
    dim: int
    verified: str = ""

    @property
    def gigabytes(self) -> float:
        """Of its weights in bfloat16.

        >>> round(Size(name="a/b", parameters=2_000_000_000, dim=1536).gigabytes, 2)
        3.73
        """
        return 2 * self.parameters / 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One row.

    Attributes:
        name: of the family.
        types: ``model_type`` of config.json; any of them.
        names: patterns of hub names and of folders' names, in lower case.
        files: that lie beside config.json in this family alone.
        fields: of config.json that this family alone has -> the value, or ``...`` for any.
        is_common: whether models of nobody's have its ``model_type`` too: that alone says nothing.
        look: for vision-language models that rzen runs itself; else sentence-transformers does.
        budget: what decoders deliver, at most.
        pooling: how token states become one vector.
        instructions: role and modality -> what is said where nobody says anything else.
        tasks: kind of task -> instructions of queries and of documents that its authors use.
        follows: whether an instruction may take the place of the model's own prefix.
        asks: how an instruction is written for sentence-transformers; ``{}`` is where it stands.
        sizes: its published models.
        dims: dimensions that its vectors may be cut to; empty: not trained for it, or not found.
        licence: of the weights.
        verified: what its vectors were compared with.
        origin: where the facts are from.
        missing: which facts were not found.
    """

    name: str
    types: tuple[str, ...]
    names: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    is_common: bool = False
    look: Look | None = None
    budget: MediaBudget = _USUAL
    pooling: Literal["last token", "mean", "own"] = "own"
    instructions: Mapping[tuple[Role, Modality], str] = field(default_factory=dict)
    tasks: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    follows: bool = True
    asks: str = "{}"
    sizes: tuple[Size, ...] = ()
    dims: tuple[int, ...] = ()
    licence: str = ""
    verified: str = "not compared with published vectors"
    origin: str = ""
    missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """What a checkpoint was taken for.

    Attributes:
        family: the row.
        because: what gave it away.
        sure: whether another family could look the same.
    """

    family: Family
    because: str
    sure: bool


def _same(*steps: Bounds) -> Callable[[int], Steps]:
    return lambda _: steps


def _qwen3_frames(count: int) -> Steps:
    """qwen-vl-utils 0.0.14 over a list of frames.

    It hands the side of a token to a function that wants the side of a patch, so frames become
    multiples of 64 first. All frames together have 10 x 768 tokens, twice that for pairs.
    """
    low = 128 * _PIXELS_32
    whole = 2 * -(-count // 2)
    high = max(min(768 * _PIXELS_32, 2 * 7680 * _PIXELS_32 // whole), int(low * 1.05))
    return Bounds.tokens(4, 16_384, 64), Bounds(low, high, 32)


_FETCHED = Bounds.tokens(4, 16_384)  # the size that the Qwen2-VL scripts open pictures in
_QWEN2 = ("qwen2_vl",)
_PAGE = "Understand the content of the provided document image."
_CLIP = "Understand the content of the provided video."

FAMILIES: Final[tuple[Family, ...]] = (
    Family(
        name="RzenEmbed",
        types=_QWEN2,
        names=("*rzenembed*", "*rzen-embed*"),
        files=("rzen_embed_inference.py",),
        look=Look(
            picture=(_FETCHED, Bounds.tokens(256, 1280)),
            frames=_same(_FETCHED, Bounds.tokens(160, 180)),
            tokens=2000,
            template="rzen-release",
        ),
        budget=MediaBudget(
            image_pixels=16_384 * _PIXELS_28,
            page_pixels=1280 * _PIXELS_28,
            frame_pixels=1280 * _PIXELS_28,
            frames=8,
            fps=8.0,
        ),
        pooling="last token",
        instructions={
            ("document", "image"): "Represent the given image.",
            ("document", "page"): _PAGE,
            ("document", "video"): _CLIP,
        },
        tasks={
            "text to image": (
                "Find me an everyday image that matches the given caption: ",
                "Represent the given image.",
            ),
            "image to text": ("Find an image caption describing the given everyday image.", ""),
            "document retrieval": (
                "Find a document image that matches the given query: ",
                _PAGE,
            ),
            "video retrieval": (
                "Find the video snippet that corresponds to the given caption: ",
                _CLIP,
            ),
        },
        sizes=(
            Size(name="qihoo360/RzenEmbed", parameters=8_291_375_616, dim=3584),
            Size(name="RzenAI/RzenEmbed-v2-7B", parameters=8_291_375_616, dim=3584),
        ),
        licence="MIT",
        verified="vectors of the released script for a tiny checkpoint: equal to 1e-6",
        origin="github.com/360CVGroup/RzenEmbed, rzen_embed_inference.py and README.md; "
        "parameters: mteb 2.26.24, rzen_embed_model.py",
        missing="its config.json; whether it was trained for shorter vectors",
    ),
    Family(
        name="Qwen3-VL-Embedding",
        types=("qwen3_vl",),
        names=("*qwen3-vl-embedding*",),
        files=("scripts/qwen3_vl_embedding.py",),
        look=Look(
            picture=(Bounds.tokens(4, 1800, 32),),
            frames=_qwen3_frames,
            tokens=8192,
            template="qwen3-vl-embedding",
        ),
        budget=MediaBudget(
            image_pixels=4 * 1800 * _PIXELS_32,
            page_pixels=1800 * _PIXELS_32,
            frame_pixels=768 * _PIXELS_32,
            frames=64,
            fps=1.0,
        ),
        pooling="last token",
        tasks={
            "retrieval": ("Retrieve images or text relevant to the user's query.", ""),
            "classification": ("Classify the news article.", ""),
        },
        sizes=(
            Size(name="Qwen/Qwen3-VL-Embedding-2B", parameters=2_127_532_032, dim=2048),
            Size(name="Qwen/Qwen3-VL-Embedding-8B", parameters=8_144_793_840, dim=4096),
        ),
        dims=(64, 128, 256, 512, 1024, 2048),
        licence="Apache-2.0",
        verified="vectors of the published script for a tiny checkpoint, with video: equal to 2e-6",
        origin="github.com/QwenLM/Qwen3-VL-Embedding, src/models/qwen3_vl_embedding.py; the "
        "config.json of the 2B: github.com/xorbitsai/inference, issue 4592; parameters: mteb "
        "2.26.24",
        missing="the config.json of the 8B",
    ),
    Family(
        name="GME-Qwen2-VL",
        types=_QWEN2,
        names=("*gme-qwen2-vl*", "*gme-qwen2vl*"),
        files=("gme_inference.py", "modeling_gme_qwen2vl.py"),
        look=Look(
            picture=(_FETCHED, Bounds.tokens(256, 1280)),
            frames=_same(_FETCHED, Bounds.tokens(256, 1280)),
            tokens=1800,
            template="gme",
        ),
        budget=MediaBudget(
            image_pixels=16_384 * _PIXELS_28,
            page_pixels=1280 * _PIXELS_28,
            frame_pixels=1280 * _PIXELS_28,
            frames=4,
            fps=8.0,
        ),
        pooling="last token",
        tasks={"text to image": ("Find an image that matches the given text.", "")},
        sizes=(
            Size(name="Alibaba-NLP/gme-Qwen2-VL-2B-Instruct", parameters=2_208_985_600, dim=1536),
            Size(name="Alibaba-NLP/gme-Qwen2-VL-7B-Instruct", parameters=7_746_378_240, dim=3584),
        ),
        licence="Apache-2.0",
        origin="mteb 2.26.24, gme_v_models.py; VLM2Vec's copy of gme_inference.py; file lists of "
        "the hub. Sources differ on the least size of a picture (4 or 256 tokens): 256 is the "
        "authors' own script's",
        missing="its config.json; any video (its authors give none: frames are shown as pictures)",
    ),
    Family(
        name="VLM2Vec-V2",
        types=_QWEN2,
        names=("*vlm2vec-v2*",),
        look=Look(
            picture=(Bounds.tokens(4, 1280),),
            frames=_same(Bounds.tokens(4, 192)),
            tokens=8192,
            template="vlm2vec",
        ),
        budget=MediaBudget(
            image_pixels=4 * 1280 * _PIXELS_28,
            page_pixels=1280 * _PIXELS_28,
            frame_pixels=360 * 420,
            frames=8,
            fps=8.0,
        ),
        pooling="last token",
        instructions={
            ("document", "image"): "Represent the given image.",
            ("document", "page"): _PAGE,
            ("document", "video"): _CLIP,
        },
        tasks={
            "document retrieval": ("Find a document image that matches the given query:", _PAGE),
            "video retrieval": (
                "Find a video that contains the following visual content:",
                _CLIP,
            ),
        },
        sizes=(Size(name="VLM2Vec/VLM2Vec-V2.0", parameters=2_208_985_600, dim=1536),),
        licence="Apache-2.0",
        origin="github.com/TIGER-AI-Lab/VLM2Vec, src/model/processor.py, src/arguments.py, "
        "experiments/examples/qwen2vl",
        missing="its adapter_config.json",
    ),
    Family(
        name="Ops-MM-embedding",
        types=_QWEN2,
        names=("*ops-mm-embedding*",),
        files=("ops_mm_embedding_v1.py",),
        look=Look(
            picture=(Bounds.tokens(256, 1280), Bounds.tokens(256, 1280)),
            frames=_same(Bounds.tokens(256, 1280)),
            tokens=16_384,
            template="ops-mm",
        ),
        budget=MediaBudget(
            image_pixels=4 * 1280 * _PIXELS_28,
            page_pixels=1280 * _PIXELS_28,
            frame_pixels=1280 * _PIXELS_28,
            frames=8,
            fps=8.0,
        ),
        pooling="last token",
        sizes=(
            Size(name="OpenSearch-AI/Ops-MM-embedding-v1-2B", parameters=2_208_985_600, dim=1536),
            Size(name="OpenSearch-AI/Ops-MM-embedding-v1-7B", parameters=8_291_375_616, dim=3584),
        ),
        licence="Apache-2.0",
        origin="a copy of ops_mm_embedding_v1.py; file lists of the hub",
        missing="its config.json; frames and instructions of its authors",
    ),
    Family(
        name="jina-embeddings-v4",
        types=("qwen2_5_vl", "jina_embeddings_v4"),
        names=("*jina-embeddings-v4*",),
        files=("modeling_jina_embeddings_v4.py",),
        is_common=True,
        fields={"single_vector_pool_strategy": ..., "multi_vector_projector_dim": ...},
        pooling="mean",
        sizes=(Size(name="jinaai/jina-embeddings-v4", parameters=3_934_695_552, dim=2048),),
        dims=(128, 256, 512, 1024, 2048),
        licence="sources differ: CC-BY-NC-4.0, or Qwen Research License",
        origin="its configuration_jina_embeddings_v4.py; mteb 2.26.24, jina_models.py",
        missing="its config.json whole. Its code is its own (trust_remote_code), and wants "
        "transformers 4",
    ),
    Family(
        name="SigLIP",
        types=("siglip", "siglip2"),
        names=("*siglip*",),
        pooling="own",
        follows=False,
        sizes=(
            Size(name="google/siglip-base-patch16-224", parameters=203_155_970, dim=768),
            Size(name="google/siglip-so400m-patch14-384", parameters=877_960_498, dim=1152),
            Size(name="google/siglip2-base-patch16-224", parameters=375_187_970, dim=768),
        ),
        licence="Apache-2.0",
        origin="config.json of google/siglip-base-patch16-256-multilingual and of copies; "
        "parameters: mteb 2.26.24, siglip_models.py. SigLIP 2 of fixed size calls itself siglip",
        missing="nothing that is used",
    ),
    Family(
        name="CLIP",
        types=("clip", "chinese_clip"),
        names=("*clip-vit*",),
        pooling="own",
        follows=False,
        sizes=(
            Size(name="openai/clip-vit-base-patch32", parameters=151_277_313, dim=512),
            Size(name="openai/clip-vit-large-patch14", parameters=427_616_513, dim=768),
        ),
        origin="config.json of copies of openai/clip-vit-base-patch32; parameters: mteb 2.26.24",
        missing="its licence (none is given)",
    ),
    Family(
        name="E5 and other models with fixed prefixes",
        types=("bert", "xlm-roberta", "roberta"),
        names=("*/e5-*", "*/multilingual-e5-*", "*/bge-*", "*/gte-*"),
        is_common=True,
        pooling="own",
        follows=False,
        sizes=(
            Size(name="intfloat/multilingual-e5-large", parameters=560_000_000, dim=1024),
            Size(name="BAAI/bge-m3", parameters=568_000_000, dim=1024),
        ),
        licence="MIT",
        verified="run by sentence-transformers as they come",
        origin="mteb 2.26.24, e5_models.py and bge_models.py",
    ),
    Family(
        name="Qwen3-Embedding",
        types=("qwen3",),
        names=("*qwen3-embedding*",),
        is_common=True,
        pooling="last token",
        asks="Instruct: {}\nQuery:",
        sizes=(
            Size(name="Qwen/Qwen3-Embedding-0.6B", parameters=595_776_512, dim=1024),
            Size(name="Qwen/Qwen3-Embedding-4B", parameters=4_021_774_336, dim=2560),
            Size(name="Qwen/Qwen3-Embedding-8B", parameters=7_567_295_488, dim=4096),
        ),
        licence="Apache-2.0",
        verified="run by sentence-transformers as it comes",
        origin="mteb 2.26.24, qwen3_models.py",
    ),
    Family(
        name="mini",
        types=("rzen-mini",),
        budget=MediaBudget(
            image_pixels=320 * 320, page_pixels=320 * 320, frame_pixels=320 * 320, frames=8, fps=0.5
        ),
        pooling="mean",
        follows=False,
        licence="of its trained layers: whatever its trainer gives it",
        verified="untrained, the vectors of the built-in mini, to 0.00001",
        origin="rzen.encoders.mini.network: what rzen train writes when it begins at mini",
    ),
    Family(
        name="text models",
        types=(),
        names=("*",),
        pooling="own",
        sizes=(
            Size(
                name="sentence-transformers/all-MiniLM-L6-v2",
                parameters=22_713_216,
                dim=384,
                verified="the values of its card, to 0.0001",
            ),
        ),
        licence="their own",
        verified="run by sentence-transformers as they come",
        origin="sentence-transformers: modules.json says how each is pooled and prompted",
    ),
)
OTHER: Final = FAMILIES[-1]
MINI: Final = FAMILIES[-2]
"""Trained from the built-in ``mini``, and run by rzen as that one is."""


def recognise(
    config: Mapping[str, Any], files: Collection[str], name: str, declared: str | None = None
) -> Recognised:
    """The family of a checkpoint.

    A file or a field that only one family has decides; then the name; then, where several
    families share a ``model_type``, the first of them, and that is said not to be sure.

    >>> recognise({"model_type": "qwen2_vl"}, ["gme_inference.py"], "somewhere/model").family.name
    'GME-Qwen2-VL'
    >>> recognise({"model_type": "qwen2_vl"}, [], "me/My-RzenEmbed").because
    "the name, 'me/My-RzenEmbed'"

    Args:
        config: its config.json.
        files: names beside it.
        name: of the model: on the hub, or of its folder.
        declared: name of its family, where rzen wrote it beside the model.

    Raises:
        EncoderError: if what is declared is no family.
    """
    if declared is not None:
        return Recognised(family=family_named(declared), because="what it says itself", sure=True)
    kind = str(config.get("model_type", ""))
    for family in FAMILIES:
        found = [file for file in family.files if file in files]
        if found:
            return Recognised(family=family, because=f"the file {found[0]}", sure=True)
        marks = [each for each, value in family.fields.items() if _has(config, each, value)]
        if marks:
            return Recognised(family=family, because=f"the field {marks[0]}", sure=True)
    known = [str(config.get("_name_or_path") or ""), name]
    candidates = [family for family in FAMILIES if kind in family.types]
    for family in candidates:
        for each in known:
            if each and any(fnmatch.fnmatch(each.lower(), pattern) for pattern in family.names):
                return Recognised(family=family, because=f"the name, {each!r}", sure=True)
    own = [family for family in candidates if not family.is_common]
    if own:
        because = f"its model_type, {kind!r}"
        return Recognised(family=own[0], because=because, sure=len(own) == 1)
    return Recognised(
        family=OTHER, because=f"no family claims its model_type, {kind!r}", sure=False
    )


def family_named(name: str) -> Family:
    """The row of a name.

    Raises:
        EncoderError: if there is none.
    """
    for family in FAMILIES:
        if family.name == name:
            return family
    raise EncoderError(
        f"there is no family {name!r}: rzen knows {', '.join(each.name for each in FAMILIES)}"
    )


def alike(family: Family) -> Sequence[str]:
    """Names of other families that share a ``model_type`` with one.

    >>> alike(FAMILIES[0])
    ['GME-Qwen2-VL', 'VLM2Vec-V2', 'Ops-MM-embedding']
    """
    return [
        each.name for each in FAMILIES if each is not family and set(each.types) & set(family.types)
    ]


def _has(config: Mapping[str, Any], name: str, value: Any) -> bool:
    return name in config and (value is ... or config[name] == value)
