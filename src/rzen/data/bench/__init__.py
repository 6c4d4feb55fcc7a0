"""rzen-bench: the suite that is built from packages and needs no hub."""
