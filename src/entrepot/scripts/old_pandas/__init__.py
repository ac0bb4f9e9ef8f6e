"""Scripts for pandas below 2 run on today's pandas: what they say is understood as it was meant, and noted.

Everything here happens in the process of one call. What a script's text does not mention is not touched, so that a
script for today's pandas sees today's pandas as it is. What the old spellings mean is what pandas 1.5 made of them.
"""

from . import arguments, attributes, frequencies, parts, subscripts
from .hints import hint
from .notes import begin, noted
from .parts import NAME, rewritten
from .spelling import Spelling

__all__ = ["NAME", "hint", "install", "noted", "parts", "rewritten"]


def install(source: str, filename: str) -> None:
    """Have this process understand what the script says that pandas of today would not."""
    begin(filename)
    spelling = Spelling.of(source)
    if spelling is not None:
        for part in (frequencies, attributes, arguments, subscripts):
            part.install(spelling)
