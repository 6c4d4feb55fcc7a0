"""The mixture: what is grouped, capped and said, and what is wrong with a recipe."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rzen.config import first_problem
from rzen.data.batch_sampler import GlobalBatchSampler
from rzen.data.mixture import Mixture, MixtureSpec
from rzen.errors import DataError
from rzen.types import Example


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


COLUMNS = {
    "query_text": "q",
    "query_image": "qi",
    "positive_text": "p",
    "negative_text": "n",
    "task": "task",
    "instruction": "say",
}


def source(name: str, tasks: str, **values: Any) -> dict[str, Any]:
    """A file with a row for each letter of ``tasks``, and its table of a recipe."""
    rows = [
        {"q": f"{name} {number}", "qi": None, "p": f"{name}+{number}", "n": list("xyz")}
        | {"task": task, "say": None}
        for number, task in enumerate(tasks)
    ]
    write(name, rows)
    return {"kind": "jsonl", "path": f"{name}.jsonl", "columns": COLUMNS, **values}


def write(name: str, rows: list[dict[str, Any]]) -> None:
    Path(f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def opened(*sources: dict[str, Any], **values: Any) -> Mixture:
    return Mixture.open(MixtureSpec.model_validate({"source": sources, **values}))


def groups(mixture: Mixture) -> dict[str, list[tuple[int, int]]]:
    return {
        name: list(zip(group.source_N.tolist(), group.row_N.tolist(), strict=True))
        for name, group in mixture.groups.items()
    }


def test_a_group_is_a_task_of_a_source() -> None:
    mixture = opened(source("a", "uvu"), source("b", "uu"))
    assert groups(mixture) == {
        "a: u": [(0, 0), (0, 2)],
        "a: v": [(0, 1)],
        "b": [(1, 0), (1, 1)],
    }
    assert mixture.tasks == ("u", "v")
    assert len(mixture) == 5
    numbers = mixture.task_numbers(np.array([0, 0, 1], np.int32), np.array([1, 2, 0]))
    assert numbers.tolist() == [1, 0, 0]


def test_groups_are_merged_by_task_or_by_name() -> None:
    """RzenEmbed makes one group of all classification sets, and of nothing else."""
    merged = opened(source("a", "uvu"), source("b", "uu"), merge=["u"])
    assert groups(merged) == {"u": [(0, 0), (0, 2), (1, 0), (1, 1)], "a: v": [(0, 1)]}
    named = opened(source("a", "uvu", group="g"), source("b", "uu", group="g"), source("c", "u"))
    assert {name: len(rows) for name, rows in groups(named).items()} == {"g": 5, "c": 1}


def test_groups_are_divided_by_direction() -> None:
    """In a batch of text -> image and image -> text every second document is of the wrong kind: no
    negative that teaches anything."""
    rows = [{"q": "a", "p": "b", "task": "t"}, {"qi": "a.png", "p": "c", "task": "t"}]
    write("a", rows)
    table = {"kind": "jsonl", "path": "a.jsonl", "columns": COLUMNS}
    with pytest.raises(DataError, match="no column 'n'"):
        opened(table)
    columns = {name: COLUMNS[name] for name in ("query_text", "query_image", "positive_text")}
    mixture = opened({**table, "columns": columns, "task": "t"}, by_direction=True)
    assert groups(mixture) == {"a (text → text)": [(0, 0)], "a (image → text)": [(0, 1)]}


def test_caps_repeats_and_weights_reach_the_sampler() -> None:
    """A cap is the source's: a source of three tasks must not get three times as much."""
    mixture = opened(
        source("a", "u" * 60 + "v" * 30 + "w" * 10, cap=10),
        source("b", "u" * 20, repeat=1.5),
        weights={"b": 2},
    )
    assert {name: dict(group.cap) for name, group in mixture.groups.items()} == {
        "a: u": {0: 6},
        "a: v": {0: 3},
        "a: w": {0: 1},
        "b": {},
    }
    sampler = GlobalBatchSampler(list(mixture.groups.values()), batch_size=4)
    dealt = [tally.rows + tally.left_over + tally.repeats for tally in sampler.tallies(0)]
    assert dealt == [6, 3, 1, 60]


def test_shares_of_a_cap_add_up_to_it() -> None:
    mixture = opened(source("a", "uvwx" * 5, cap=6))
    assert sum(group.cap[0] for group in mixture.groups.values()) == 6


def said(mixture: Mixture, row: int = 0, number: int = 0) -> str | None:
    return mixture.example(number, row).instruction


def test_whose_instruction_is_said() -> None:
    """The nearest wins: the source's for the task, the source's, the row's, the mixture's."""
    rows = [
        {"q": "a", "qi": None, "p": "b", "n": None, "task": "u", "say": "Row."},
        {"q": "a", "qi": None, "p": "c", "n": None, "task": "v", "say": None},
    ]
    write("a", rows)
    table = {"kind": "jsonl", "path": "a.jsonl", "columns": COLUMNS}
    assert [said(opened(table), row) for row in (0, 1)] == ["Row.", None]
    everywhere = {"instructions": {"u": "U.", "v": "V."}}
    assert [said(opened(table, **everywhere), row) for row in (0, 1)] == ["Row.", "V."]
    own = {**table, "instruction": "Source."}
    assert [said(opened(own, **everywhere), row) for row in (0, 1)] == ["Source.", "Source."]
    tasks = {**own, "instructions": {"v": "Task."}}
    assert [said(opened(tasks, **everywhere), row) for row in (0, 1)] == ["Source.", "Task."]
    # The first stage says nothing at all; that is not the encoder's default.
    assert said(opened({**table, "instruction": ""})) == ""


def test_the_instruction_of_documents_goes_its_own_way() -> None:
    table = source("a", "u", instruction="Q.", document_instructions={"u": "D."})
    example = opened(table).example(0, 0)
    assert (example.instruction, example.document_instruction) == ("Q.", "D.")
    example = opened(source("b", "u"), document_instructions={"u": "D."}).example(0, 0)
    assert (example.instruction, example.document_instruction) == (None, "D.")


def test_a_row_of_mmeb_train_is_not_instructed_twice() -> None:
    rows = [{"qry": text, "pos_text": "b", "pos_image_path": None} for text in ("Find: a", "a")]
    write("CIRR", rows)
    mixture = opened(
        {"kind": "mmeb-train", "path": "CIRR.jsonl", "instruction": "Find:", "name": "CIRR"}
    )
    assert [said(mixture, row) for row in (0, 1)] == ["Find:", ""]


def test_hard_negatives_are_cut() -> None:
    assert [len(opened(source("a", "u", negatives=n)).example(0, 0).negatives) for n in (0, 2)] == [
        0,
        2,
    ]
    assert len(opened(source("a", "u")).example(0, 0).negatives) == 3


def test_rows_of_an_unknown_task_are_left_out_and_named() -> None:
    """A misspelt task would get a temperature and a group of its own."""
    mixture = opened(source("a", ["image qa", "imge qa", "sums"]), tasks=["image qa"])  # type: ignore[arg-type]
    assert groups(mixture) == {"a": [(0, 0)]}
    assert mixture.tasks == ("image qa",)
    skipped = mixture.skipped[0]
    assert dict(skipped.by_reason) == {
        "unknown task 'imge qa', did you mean 'image qa'?": 1,
        "unknown task 'sums'": 1,
    }
    assert skipped.first[0].where == "a.jsonl, line 2"
    assert mixture.facts[0].skipped == 2


def test_what_a_model_card_needs() -> None:
    mixture = opened(source("a", "uvu", licence="MIT"))
    (facts,) = mixture.facts
    assert (facts.name, facts.kind, facts.origin) == ("a", "jsonl", "a.jsonl")
    assert (facts.licence, facts.rows, dict(facts.tasks)) == ("MIT", 3, {"u": 2, "v": 1})
    assert facts.revision == mixture.sources[0].revision != ""
    assert mixture.where(0, 1) == "a: a.jsonl, line 2"


def test_a_mixture_travels_to_the_process_that_loads_data() -> None:
    mixture = pickle.loads(pickle.dumps(opened(source("a", "uv"))))  # noqa: S301 - made here
    assert isinstance(mixture, Mixture)
    assert isinstance(mixture.example(0, 1), Example)


def bare(name: str, count: int) -> dict[str, Any]:
    """A source whose rows have no query."""
    table = source(name, "")
    write(name, [dict.fromkeys([*COLUMNS.values()]) for _ in range(count)])
    return table


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        (lambda: ([], {}), "the mixture is empty"),
        (lambda: ([source("a", "u"), source("a", "u")], {}), "two sources are called 'a'"),
        (lambda: ([source("a", "")], {}), r"'a' \(a.jsonl\) has no row .*: it is empty"),
        (
            lambda: ([bare("a", 3)], {}),
            r"has no row that can be trained on: no query \(3\). First: a.jsonl, line 1",
        ),
        (
            lambda: ([source("a", "u", instructions={"uu": "x"})], {}),
            "instructions of source 'a': there is no task 'uu': did you mean 'u'",
        ),
        (
            lambda: ([source("a", "u")], {"document_instructions": {"zz": "x"}}),
            "document_instructions: there is no task 'zz': there are u",
        ),
        (lambda: ([source("a", "u")], {"merge": ["zz"]}), "merge: there is no task 'zz'"),
        (
            lambda: ([source("a", "uv")], {"weights": {"a: w": 2}}),
            "weights: there is no group 'a: w': did you mean 'a: ",
        ),
        (lambda: ([source("a", "u")], {"tasks": ["v"]}), r"unknown task 'u' \(1\)"),
        (lambda: ([{"kind": "jsonl", "path": "none.jsonl"}], {}), "none.jsonl is not there"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(recipe: Any, reason: str) -> None:
    """What is only noticed at the first batch is noticed after the model was loaded."""
    sources, values = recipe()
    with pytest.raises(DataError, match=reason):
        opened(*sources, **values)


def test_a_misspelt_key_of_a_source_is_told_its_neighbour() -> None:
    with pytest.raises(ValueError, match="colums") as caught:
        opened({**source("a", "u"), "colums": {}})
    name, problem = first_problem(caught.value, MixtureSpec)  # type: ignore[arg-type]
    assert (name, problem) == (
        "source[0].colums",
        "there is no such setting, did you mean 'columns'?",
    )


def test_a_group_with_one_positive_is_refused_by_name() -> None:
    write("a", [{"q": f"{n}", "p": "yes", "task": "t"} for n in range(5)])
    columns = {"query_text": "q", "positive_text": "p", "task": "task"}
    mixture = opened({"kind": "jsonl", "path": "a.jsonl", "columns": columns})
    with pytest.raises(DataError, match="group 'a': all of its 5 rows share one positive"):
        GlobalBatchSampler(list(mixture.groups.values()), batch_size=4)


def test_rows_may_share_a_positive_where_that_is_asked_for() -> None:
    """Two answers to a thousand questions made a thousand batches of two rows."""
    rows: list[dict[str, Any]] = [
        {"q": f"q{n}", "qi": None, "p": "yes" if n % 2 else "no", "n": []} for n in range(40)
    ]
    write("few", [{**row, "task": "qa", "say": None} for row in rows])
    table = {"kind": "jsonl", "path": "few.jsonl", "columns": COLUMNS}

    def sizes(**values: Any) -> list[int]:
        groups = list(opened({**table, **values}).groups.values())
        sampler = GlobalBatchSampler(groups, batch_size=8, seed=1)
        return sorted({len(batch) for batch in sampler.epoch(0)})

    assert sizes() == [2]
    assert sizes(shared_positives=True) == [8]


def test_one_positive_for_all_is_refused_even_where_it_may_be_shared() -> None:
    """Nothing could be told apart."""
    rows: list[dict[str, Any]] = [
        {"q": f"q{n}", "qi": None, "p": "yes", "n": [], "task": "qa", "say": None} for n in "ab"
    ]
    write("one", rows)
    table = {"kind": "jsonl", "path": "one.jsonl", "columns": COLUMNS, "shared_positives": True}
    groups = list(opened(table).groups.values())
    with pytest.raises(DataError, match="share one positive"):
        GlobalBatchSampler(groups, batch_size=8)
