"""The catalog of an index and what is derived from it."""
