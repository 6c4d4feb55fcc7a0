"""Bytes to bounded pixels and text: the one door through which user bytes come in.

What varies between the media lives in one module each (image, video, pdf, text); what does not is
the order of work: sniff by content, check the header against the limits, decode no more than the
budget asks for, and raise :class:`~rzen.errors.MediaError` naming the file where that fails.
"""

from rzen.media.door import Opened, open
from rzen.media.formats import Kind, sniff

__all__ = ["Kind", "Opened", "open", "sniff"]
