"""Claims of speed and quality, each measured beside its peers in the same process or run."""
