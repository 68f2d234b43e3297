"""
What a person types for a profile: a path, or FILE#NAME for a profile in a file that holds several.
"""

from __future__ import annotations

import os
from typing import Tuple


def file_and_name(path: str) -> Tuple[str, str]:
    """Return a path and the name after #, if any; a file of that very name goes first."""
    file, mark, name = path.rpartition("#")
    if not (mark and name and file) or os.path.lexists(path):
        return path, ""
    return file, name
