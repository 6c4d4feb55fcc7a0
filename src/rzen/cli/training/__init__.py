"""rzen train: a recipe from a base to a measured model."""

from rzen.cli.training.run import run as run
