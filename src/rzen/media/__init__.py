"""Bytes to bounded pixels and text."""
