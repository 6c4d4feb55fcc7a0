"""Tasks over texts alone."""
