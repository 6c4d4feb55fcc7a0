"""Rules of the tree that no linter checks."""

import ast
from pathlib import Path

import rzen

SOURCE = Path(rzen.__file__).parent


def test_no_inner_module_imports_the_face() -> None:
    """`from rzen import load` in a low floor would be an upward import in disguise."""
    rooms = {child.stem for child in SOURCE.iterdir()}
    offenders = []
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            names = {alias.name for alias in node.names}
            of_face = isinstance(node, ast.ImportFrom) and node.module == "rzen" and names - rooms
            if of_face or (isinstance(node, ast.Import) and "rzen" in names):
                offenders.append(f"{path}:{node.lineno}")
    assert offenders == []


def test_the_packages_of_the_design_have_no_rooms_for_leftovers() -> None:
    """A utils module is where structure goes to die."""
    forbidden = {"utils.py", "common.py", "base.py", "helpers.py"}
    assert not [path for path in SOURCE.rglob("*.py") if path.name in forbidden]
