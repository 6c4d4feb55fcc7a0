"""Settings: which source wins, and what is said when one is wrong."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rzen.config import first_problem, load_settings, parse_override
from rzen.errors import UsageError


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of whoever runs the tests."""
    (tmp_path / "config.toml").write_text("")
    monkeypatch.setenv("RZEN_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.delenv("RZEN_ENCODER", raising=False)


def test_the_nearer_source_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Defaults < file < environment < command line; a mix-up would ignore what users typed."""
    assert load_settings().search.k == 10
    (tmp_path / "config.toml").write_text("[search]\nk = 11\nrank_constant = 30\n")
    assert load_settings().search.k == 11
    monkeypatch.setenv("RZEN_SEARCH__K", "12")
    assert load_settings().search.k == 12
    settings = load_settings(overrides={"search.k": 13})
    assert (settings.search.k, settings.search.rank_constant) == (13, 30)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"search.kk": 3}, "search.kk"),
        ({"search.k": 0}, "search.k"),
        ({"encoder.x": 1}, "encoder"),
        ({"search": 3}, "search"),
    ],
)
def test_a_wrong_setting_is_named(overrides: dict[str, object], said: str) -> None:
    """A misspelt setting that is ignored would look as if it had no effect."""
    with pytest.raises(UsageError, match=said):
        load_settings(overrides=overrides)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"serch.k": 3}, "'serch': there is no such setting, did you mean 'search'"),
        ({"search.rank_constand": 3}, "did you mean 'rank_constant'"),
        ({"limits.frame_pixel": 3}, "did you mean 'frame_pixels'"),
        ({"search.zzz": 3}, "no such setting: `rzen config`"),
        ({"search.k": 0}, r"greater than 0 \(got 0\): "),
        ({"search": 3}, r"'search': .*\(got 3\): "),
    ],
)
def test_a_misspelt_setting_is_told_its_neighbour(overrides: dict[str, object], said: str) -> None:
    """Who mistypes one of fifty names had to look for it in the whole list."""
    with pytest.raises(UsageError, match=said):
        load_settings(overrides=overrides)


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")
    columns: dict[str, str] = {}
    repeat: float = 1.0


class _Recipe(BaseModel):
    model_config = ConfigDict(extra="forbid")
    sources: tuple[_Row, ...] | None = Field((), alias="source")
    tables: dict[str, _Row] = {}
    name: str


@pytest.mark.parametrize(
    ("values", "name", "said"),
    [
        ({"source": [{}, {"colums": {}}]}, "source[1].colums", "did you mean 'columns'?"),
        ({"tables": {"x": {"repat": 1}}}, "tables.x.repat", "did you mean 'repeat'?"),
        ({"sorce": []}, "sorce", "did you mean 'source'?"),
        ({"source": [{"repeat": "often"}]}, "source[0].repeat", "(got 'often')"),
        ({}, "name", "it is missing"),
    ],
)
def test_problems_are_found_within_lists_and_tables(
    values: dict[str, object], name: str, said: str
) -> None:
    """A recipe's sources are a list of tables: the neighbours are those of the table, not of the
    whole."""
    with pytest.raises(ValidationError) as caught:
        _Recipe.model_validate({"name": "x", **values} if values else values)
    found, problem = first_problem(caught.value, _Recipe)
    assert found == name
    assert said in problem


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    """A traceback of the TOML parser tells nothing about where the file lies."""
    (tmp_path / "bad.toml").write_text("k = ")
    with pytest.raises(UsageError, match=r"bad\.toml"):
        load_settings(tmp_path / "bad.toml")


def test_secrets_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in the environment must be neither refused as unknown nor quoted."""
    monkeypatch.setenv("RZEN_OPENAI_API_KEY", "sk-secret")
    load_settings()
    monkeypatch.setenv("RZEN_API_TOKEN", "sk-secret")
    with pytest.raises(UsageError) as caught:
        load_settings()
    assert "sk-secret" not in str(caught.value)


def test_override_needs_a_value() -> None:
    """`--set search.k 3` is an easy slip."""
    with pytest.raises(UsageError, match="NAME=VALUE"):
        parse_override("search.k")
