"""For all tests: this folder is on the path, for they share the makers of media in media_files.py.

On a build machine property tests draw the same examples every time, so that a change is judged by
what it changes; elsewhere they go on looking.
"""

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "search")
