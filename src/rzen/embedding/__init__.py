"""Rows of a file to vectors in a file: what ``rzen embed`` does."""
