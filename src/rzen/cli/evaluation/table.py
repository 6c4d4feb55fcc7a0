"""Figures of runs as lines for people."""

from collections.abc import Mapping
from typing import Any

from rzen.cli import output


def say_run(summary: Mapping[str, Any]) -> None:
    """Prints a run: one line a set, with its interval and its best baseline."""
    overall = summary["overall"]
    said = f"{overall:.4f}" if overall is not None else "not given: sets are missing"
    limit = f", limited to {summary['limit']} queries a set" if summary["limit"] else ""
    output.say(
        f"{summary['suite']} {summary['version']}, {summary['split']} split{limit}: "
        f"{summary['encoder']}"
    )
    output.say(f"{'set':22} {'metric':15} {'value':>7}   {'95 % interval':15}  best baseline")
    for each in summary["sets"]:
        baseline = max(each["baselines"].items(), key=lambda pair: pair[1], default=("-", 0.0))
        output.say(
            f"{each['name']:22} {each['metric']:15} {each['value']:7.4f}   "
            f"{each['low']:.3f} - {each['high']:.3f}    {baseline[1]:.3f} ({baseline[0]})"
        )
    for name, why in summary["skipped"].items():
        output.say(f"{name:22} not run: {why}")
    for name, mean in summary["groups"].items():
        output.say(f"mean of {name:14} {'':15} {mean:7.4f}")
    output.say(f"overall: {said}")
    for label, value in _others(summary).items():
        output.say(f"beside it, {label}: mean {value:.4f}; `rzen eval compare` pairs their queries")


def _others(summary: Mapping[str, Any]) -> dict[str, float]:
    """Label of another run -> its mean over the sets of this one that it has."""
    values: dict[str, list[float]] = {}
    for row in summary.get("rows", ()):
        for label, value in row["others"].items():
            if value is not None:
                values.setdefault(label, []).append(value)
    return {label: sum(found) / len(found) for label, found in values.items()}
