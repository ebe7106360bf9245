"""Digests of values."""

import hashlib
import json
from typing import Any


def digest(value: Any, length: int = 10) -> str:
    """The first hexadecimal digits of the SHA-256 of a JSON-ready value; the same for equal values,
    on every machine.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:length]
