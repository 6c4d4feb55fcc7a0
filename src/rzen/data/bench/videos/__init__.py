"""Tasks over composed and real clips."""
