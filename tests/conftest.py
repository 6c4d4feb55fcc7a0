"""Puts this folder on the path: tests share the makers of real media in media_files.py."""
