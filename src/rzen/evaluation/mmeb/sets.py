"""The 78 sets of MMEB-V2.

Source: ``experiments/report_score_v2.py`` and ``experiments/public/eval`` of VLM2Vec.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

from rzen.data.retrieval_set import Scope
from rzen.errors import DataError

MmebModality: TypeAlias = Literal["image", "video", "visdoc"]
MODALITIES: tuple[MmebModality, ...] = get_args(MmebModality)
METRICS: Mapping[MmebModality, str] = MappingProxyType(
    {"image": "hit@1", "video": "hit@1", "visdoc": "ndcg_linear@5"}
)
"""The key that counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MmebSet:
    """One set of MMEB-V2.

    Attributes:
        name: as in score files.
        modality: the group it is averaged in.
        family: the kind of task within the group.
        metric: the key that counts.
        scope: whether a query ranks its own candidates or the whole corpus.
    """

    name: str
    modality: MmebModality
    family: str
    metric: str
    scope: Scope


def _listed(modality: MmebModality, family: str, scope: Scope, names: str) -> Iterator[MmebSet]:
    for name in names.split():
        yield MmebSet(
            name=name,
            modality=modality,
            family=family,
            metric=METRICS[modality],
            # The only set of its family that ranks candidates of each query's own.
            scope="local" if name == "SmthSmthV2" else scope,
        )


SETS: tuple[MmebSet, ...] = (
    *_listed(
        "image",
        "classification",
        "local",
        "ImageNet-1K N24News HatefulMemes VOC2007 SUN397 Place365 ImageNet-A ImageNet-R ObjectNet "
        "Country211",
    ),
    *_listed(
        "image",
        "qa",
        "local",
        "OK-VQA A-OKVQA DocVQA InfographicsVQA ChartQA Visual7W ScienceQA VizWiz GQA TextVQA",
    ),
    *_listed(
        "image",
        "retrieval",
        "local",
        "VisDial CIRR VisualNews_t2i VisualNews_i2t MSCOCO_t2i MSCOCO_i2t NIGHTS WebQA FashionIQ "
        "Wiki-SS-NQ OVEN EDIS",
    ),
    *_listed("image", "grounding", "local", "MSCOCO RefCOCO RefCOCO-Matching Visual7W-Pointing"),
    *_listed("video", "classification", "global", "K700 SmthSmthV2 HMDB51 UCF101 Breakfast"),
    *_listed("video", "qa", "local", "MVBench Video-MME NExTQA EgoSchema ActivityNetQA"),
    *_listed("video", "retrieval", "global", "DiDeMo MSR-VTT MSVD VATEX YouCook2"),
    *_listed("video", "moment retrieval", "local", "QVHighlight Charades-STA MomentSeeker"),
    *_listed(
        "visdoc",
        "ViDoRe-v1",
        "global",
        "ViDoRe_arxivqa ViDoRe_docvqa ViDoRe_infovqa ViDoRe_tabfquad ViDoRe_tatdqa "
        "ViDoRe_shiftproject ViDoRe_syntheticDocQA_artificial_intelligence "
        "ViDoRe_syntheticDocQA_energy ViDoRe_syntheticDocQA_government_reports "
        "ViDoRe_syntheticDocQA_healthcare_industry",
    ),
    *_listed(
        "visdoc",
        "ViDoRe-v2",
        "global",
        "ViDoRe_esg_reports_human_labeled_v2 ViDoRe_biomedical_lectures_v2_multilingual "
        "ViDoRe_economics_reports_v2_multilingual ViDoRe_esg_reports_v2_multilingual",
    ),
    *_listed(
        "visdoc",
        "VisRAG",
        "global",
        "VisRAG_ArxivQA VisRAG_ChartQA VisRAG_MP-DocVQA VisRAG_SlideVQA VisRAG_InfoVQA "
        "VisRAG_PlotQA",
    ),
    *_listed(
        "visdoc",
        "out-of-domain",
        "global",
        "ViDoSeek-page ViDoSeek-doc MMLongBench-page MMLongBench-doc",
    ),
)
"""In the order of the reference's reports."""

_BY_NAME = {each.name: each for each in SETS}


def find_set(name: str) -> MmebSet:
    """The set of that name.

    >>> find_set("SmthSmthV2").scope
    'local'

    Raises:
        DataError: if MMEB-V2 has no such set; the nearest names are told.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    near = difflib.get_close_matches(name, _BY_NAME, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "it has sets such as ImageNet-1K"
    raise DataError(f"MMEB-V2 has no set {name!r}: {hint}")
