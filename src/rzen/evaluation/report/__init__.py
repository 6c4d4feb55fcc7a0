"""Runs, comparisons and score files as HTML pages, and the datasheet of rzen-bench."""
