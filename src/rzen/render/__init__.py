"""Hits and answers as pages for a browser."""
