"""Tasks over the pages of the manuals of R."""
