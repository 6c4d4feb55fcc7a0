import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rzen.errors import DataError
from rzen.evaluation.metrics import KEYS
from rzen.evaluation.mmeb.score_files import submission, summarize
from rzen.evaluation.mmeb.sets import MODALITIES, SETS, find_set

FIXTURES = Path(__file__).parents[3] / "fixtures" / "mmeb"
PAGES = ("ViDoSeek-page", "MMLongBench-page")


def public(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text())
    return document


def complete(value: float = 0.5) -> dict[str, Any]:
    """A score file with all 78 sets."""
    return submission({"model_name": "toy"}, {each.name: {each.metric: value} for each in SETS})


def test_the_sets() -> None:
    """The counts of MMEB-V2 and the scopes of the reference's configuration."""
    assert len({each.name for each in SETS}) == len(SETS) == 78
    assert Counter(each.modality for each in SETS) == {"image": 36, "video": 18, "visdoc": 24}
    assert Counter((each.modality, each.family) for each in SETS) == {
        ("image", "classification"): 10,
        ("image", "qa"): 10,
        ("image", "retrieval"): 12,
        ("image", "grounding"): 4,
        ("video", "classification"): 5,
        ("video", "qa"): 5,
        ("video", "retrieval"): 5,
        ("video", "moment retrieval"): 3,
        ("visdoc", "ViDoRe-v1"): 10,
        ("visdoc", "ViDoRe-v2"): 4,
        ("visdoc", "VisRAG"): 6,
        ("visdoc", "out-of-domain"): 4,
    }
    ranks_all = [each.name for each in SETS if each.scope == "global" and each.modality == "video"]
    assert set(ranks_all) == {"K700", "HMDB51", "UCF101", "Breakfast"} | {
        "DiDeMo",
        "MSR-VTT",
        "MSVD",
        "VATEX",
        "YouCook2",
    }
    assert {each.scope for each in SETS if each.modality == "image"} == {"local"}
    assert {each.scope for each in SETS if each.modality == "visdoc"} == {"global"}
    assert {each.metric for each in SETS} <= set(KEYS)


@pytest.mark.parametrize("name", ["VLM2Vec-V2.0-Qwen2VL-2B", "colpali-v1.3"])
def test_names_are_those_of_public_files(name: str) -> None:
    """Guards against a set that is reported missing because we spell it another way."""
    found = {
        (modality, each) for modality, sets in public(name)["metrics"].items() for each in sets
    }
    ours = {(each.modality, each.name) for each in SETS}
    assert found - ours == {("video", "MomentSeeker_1k8")}
    assert ours - found == {("visdoc", "ViDoSeek-doc"), ("visdoc", "MMLongBench-doc")}


def test_a_public_file() -> None:
    """The figures that the rules give for VLM2Vec-V2.0's own file."""
    report = summarize(public("VLM2Vec-V2.0-Qwen2VL-2B"), "VLM2Vec.json")
    modalities = report["modalities"]
    assert report["overall"] is None
    assert modalities["image"] == {
        "mean": pytest.approx(0.64922, abs=5e-6),
        "sets": 36,
        "missing": [],
        "extra": [],
    }
    assert modalities["video"] == {
        "mean": pytest.approx(0.34668, abs=5e-6),
        "sets": 18,
        "missing": [],
        "extra": ["MomentSeeker_1k8"],
    }
    assert modalities["visdoc"] == {
        "mean": pytest.approx(0.69241, abs=5e-6),
        "sets": 22,
        "missing": ["ViDoSeek-doc", "MMLongBench-doc"],
        "extra": [],
    }
    assert report["families"]["image qa"] == {
        "mean": pytest.approx(0.5642),
        "sets": 10,
        "missing": [],
    }
    assert report["families"]["visdoc out-of-domain"]["missing"] == modalities["visdoc"]["missing"]
    assert report["scores"]["MomentSeeker"] == pytest.approx(0.42884, abs=5e-6)
    assert report["metadata"]["model_name"] == "VLM2Vec-V2.0-Qwen2VL-2B"
    assert len(report["notes"]) == 3
    assert "1,800 queries instead of 1,602" in report["notes"][0]
    assert all("does not say which" in note for note in report["notes"][1:])


def test_another_public_file() -> None:
    """Means by plain arithmetic on the file."""
    document = public("colpali-v1.3")
    report = summarize(document, "colpali.json")
    for modality, key in (("image", "hit@1"), ("visdoc", "ndcg_linear@5")):
        values = [scores[key] for scores in document["metrics"][modality].values()]
        mean = report["modalities"][modality]["mean"]
        assert mean == pytest.approx(math.fsum(values) / len(values))


def test_a_complete_file_has_an_overall_score() -> None:
    """The mean over 78 sets, not over three modalities."""
    document = complete()
    document["metrics"]["image"]["ImageNet-1K"]["hit@1"] = 1.0
    report = summarize(document, "complete.json")
    assert report["overall"] == pytest.approx((77 * 0.5 + 1.0) / 78)
    assert [entry["sets"] for entry in report["modalities"].values()] == [36, 18, 24]
    assert len(report["families"]) == 12
    assert list(report["scores"]) == [each.name for each in SETS]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("FILE_N/A", "has no scores but 'FILE_N/A'"),
        ("DIR_N/A", "has no scores but 'DIR_N/A'"),
        (None, "has no scores but 'None'"),
        ({}, "lacks hit@1"),
        ({"hit@5": 0.5}, "lacks hit@1"),
        ({"hit@1": "0.5"}, "lacks hit@1"),
        ({"hit@1": float("nan")}, "has hit@1 nan, no fraction"),
        ({"hit@1": -0.1}, "has hit@1 -0.1, no fraction"),
        ({"hit@1": 50.0}, "has hit@1 50.0, no fraction"),
    ],
)
def test_a_set_without_a_score_is_missing_and_says_why(entry: object, reason: str) -> None:
    """Guards against 0 in place of a score, and against an overall score over fewer sets."""
    document = complete()
    document["metrics"]["video"]["MVBench"] = entry
    report = summarize(document, "run.json")
    assert report["overall"] is None
    assert report["modalities"]["video"]["missing"] == ["MVBench"]
    assert report["families"]["video qa"] == {"mean": 0.5, "sets": 4, "missing": ["MVBench"]}
    assert "MVBench" not in report["scores"]
    assert f"video: MVBench {reason}: missing" in report["notes"]


def test_a_set_or_a_modality_that_is_not_there() -> None:
    """Guards against KeyErrors on a run of one modality."""
    document = complete()
    del document["metrics"]["image"], document["metrics"]["video"]["K700"]
    report = summarize(document, "run.json")
    assert report["modalities"]["image"]["mean"] is None
    assert len(report["modalities"]["image"]["missing"]) == 36
    assert report["modalities"]["video"]["missing"] == ["K700"]
    assert report["modalities"]["visdoc"]["sets"] == 24


def test_another_revision_never_stands_in() -> None:
    """MomentSeeker_1k8 alone leaves MomentSeeker missing."""
    document = complete()
    video = document["metrics"]["video"]
    video["MomentSeeker_1k8"] = {"hit@1": 0.9}
    assert summarize(document, "run.json")["overall"] == 0.5
    del video["MomentSeeker"]
    report = summarize(document, "run.json")
    assert report["modalities"]["video"]["missing"] == ["MomentSeeker"]
    assert report["modalities"]["video"]["extra"] == ["MomentSeeker_1k8"]
    assert report["modalities"]["video"]["mean"] == 0.5
    video["MomentSeeker"] = {"hit@1": 0.5, "num_pred": 1800, "num_data": 1800}
    notes = summarize(document, "run.json")["notes"]
    assert any("MomentSeeker has 1,800 queries" in note for note in notes)


def test_fixed_names_count_as_the_sets() -> None:
    """Re-scored page labels: under the plain name, and told."""
    document = complete()
    visdoc = document["metrics"]["visdoc"]
    for name in PAGES:
        visdoc[f"{name}-fixed"] = {"ndcg_linear@5": 0.75}
        del visdoc[name]
    report = summarize(document, "run.json")
    assert report["overall"] == pytest.approx((76 * 0.5 + 2 * 0.75) / 78)
    assert report["scores"]["ViDoSeek-page"] == 0.75
    assert report["modalities"]["visdoc"]["extra"] == []
    assert [note for note in report["notes"] if "says that these are the mended" in note] == report[
        "notes"
    ]
    visdoc["ViDoSeek-page"] = {"ndcg_linear@5": 0.1}
    report = summarize(document, "run.json")
    assert report["scores"]["ViDoSeek-page"] == 0.75
    assert report["modalities"]["visdoc"]["extra"] == ["ViDoSeek-page"]
    assert "ViDoSeek-page is there twice" in report["notes"][0]


def test_a_fixed_name_without_scores() -> None:
    """The reference's report renames sets that were not run, too."""
    document = complete()
    visdoc = document["metrics"]["visdoc"]
    visdoc["ViDoSeek-page-fixed"] = "FILE_N/A"
    report = summarize(document, "run.json")
    assert report["scores"]["ViDoSeek-page"] == 0.5
    assert report["modalities"]["visdoc"]["extra"] == ["ViDoSeek-page-fixed"]
    assert any("ViDoSeek-page had wrong" in n and "does not say" in n for n in report["notes"])
    del visdoc["ViDoSeek-page"]
    report = summarize(document, "run.json")
    assert report["modalities"]["visdoc"]["missing"] == ["ViDoSeek-page"]
    assert report["modalities"]["visdoc"]["extra"] == []


@pytest.mark.parametrize("entry", [{}, {"hit@1": 0.5}, {"ndcg_linear@5": float("nan")}, None])
def test_a_fixed_name_without_the_score_hides_nothing(entry: object) -> None:
    """Guards against a set that is called missing though its score stands in the file."""
    document = complete()
    visdoc = document["metrics"]["visdoc"]
    visdoc["ViDoSeek-page-fixed"] = entry
    report = summarize(document, "run.json")
    assert report["overall"] == 0.5
    assert report["modalities"]["visdoc"]["extra"] == ["ViDoSeek-page-fixed"]
    assert any("ViDoSeek-page had wrong" in n and "does not say" in n for n in report["notes"])
    visdoc["ViDoSeek-page"] = "FILE_N/A"
    assert summarize(document, "run.json")["modalities"]["visdoc"]["missing"] == ["ViDoSeek-page"]


def test_unknown_sets_and_modalities_are_listed() -> None:
    """Guards against a set that is averaged because its name is close, or dropped in silence."""
    document = complete()
    document["metrics"]["image"]["Imagenet-1k"] = {"hit@1": 0.9}
    document["metrics"]["visdoc"]["ViDoRe_esg_reports_v2"] = {"ndcg_linear@5": 0.9}
    document["metrics"]["image"]["GQA-fixed"] = {"hit@1": 0.9}
    document["metrics"]["audio"] = {}
    report = summarize(document, "run.json")
    assert report["overall"] == 0.5
    assert report["modalities"]["image"]["extra"] == ["Imagenet-1k", "GQA-fixed"]
    assert report["modalities"]["visdoc"]["extra"] == ["ViDoRe_esg_reports_v2"]
    assert "audio: no modality of MMEB-V2, left out" in report["notes"]


def test_a_run_that_was_cut_short_is_told() -> None:
    """A score over half of the queries looks like any other."""
    document = complete()
    document["metrics"]["image"]["GQA"] = {"hit@1": 0.5, "num_pred": 400, "num_data": 1000}
    assert "image: GQA ranked 400 of 1000 queries" in summarize(document, "run.json")["notes"]


def test_percentages_are_refused() -> None:
    """Guards against a mean of 64.9; a few values below 1 do not hide them."""
    document = complete(64.9)
    document["metrics"]["image"]["GQA"]["hit@1"] = 0.4
    with pytest.raises(DataError, match=r"run.json holds percentages \(such as 64.9\): fractions"):
        summarize(document, "run.json")


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([], "not a score file"),
        (None, "not a score file"),
        ({}, "not a score file"),
        ({"metrics": []}, "not a score file"),
        ({"hit@1": 0.5, "num_pred": 1}, "scores of a single set"),
        ({"metrics": {}}, "no modality of MMEB-V2"),
        ({"metrics": {"Image": {}}}, "no modality of MMEB-V2"),
        ({"metrics": {"image": []}}, "'image' holds no sets"),
        ({"metrics": {"image": {}}, "metadata": "toy"}, "metadata is no object"),
    ],
)
def test_no_score_file(document: object, problem: str) -> None:
    """The message names the file and what is expected."""
    with pytest.raises(DataError, match=problem) as caught:
        summarize(document, "some.json")
    assert "some.json" in str(caught.value)
    assert '"metrics"' in str(caught.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["metadata", "metrics", "image", "visdoc", "GQA", "ViDoSeek-page-fixed", "hit@1"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=200)
@given(json_values)
def test_any_json_is_averaged_or_refused(document: object) -> None:
    """Guards against a traceback on score files of other versions."""
    try:
        report = summarize(document, "any.json")
    except DataError:
        return
    assert report["overall"] is None
    json.dumps(report["modalities"], allow_nan=False)


def test_a_submission_is_what_is_reported() -> None:
    """Sets that were not run are marked as the reference marks them."""
    scores = {
        "GQA": {"hit@1": 0.25, "num_pred": 10},
        "MMLongBench-page-fixed": {"ndcg_linear@5": 0.5},
        "MomentSeeker_1k8": {"hit@1": 0.1},
    }
    made = submission({"model_name": "toy", "url": None}, scores)
    assert made["metadata"] == {"model_name": "toy", "url": None}
    assert list(made["metrics"]) == list(MODALITIES)
    assert made["metrics"]["image"]["GQA"] == scores["GQA"]
    assert made["metrics"]["image"]["CIRR"] == "FILE_N/A"
    assert made["metrics"]["video"]["MomentSeeker"] == "FILE_N/A"
    assert "MMLongBench-page" not in made["metrics"]["visdoc"]
    report = summarize(json.loads(json.dumps(made)), "toy.json")
    assert report["scores"] == {"GQA": 0.25, "MMLongBench-page": 0.5}
    assert report["modalities"]["video"]["extra"] == ["MomentSeeker_1k8"]


@pytest.mark.parametrize("name", ["ImageNet1K", "ChartQA-fixed", "MomentSeeker_2k"])
def test_a_submission_of_unknown_sets_is_refused(name: str) -> None:
    """Guards against scores that a leaderboard ignores; the nearest name is told."""
    with pytest.raises(DataError, match=f"no set '{name}': did you mean"):
        submission({}, {name: {"hit@1": 0.5}})
    with pytest.raises(DataError, match="such as ImageNet-1K"):
        find_set("?")
