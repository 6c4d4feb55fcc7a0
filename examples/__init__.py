"""The examples: short programs that run as they stand."""
