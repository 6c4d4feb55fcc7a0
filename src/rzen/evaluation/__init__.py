"""Measuring an encoder: suites, metrics, reports."""
