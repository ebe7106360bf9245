"""Numbers and docstrings as people read them."""

import inspect


def duration(seconds: float) -> str:
    """A time span in seconds, in the unit that suits it.

    >>> duration(42), duration(400), duration(9000)
    ('42 s', '7 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def first_paragraph(docstring: str | None) -> str:
    r"""The first paragraph of a docstring as one line of plain text: no backticks.

    >>> first_paragraph("``T`` steps,\n    then a marker.\n\n    Source: a paper.")
    'T steps, then a marker.'
    """
    paragraph = inspect.cleandoc(docstring or "").partition("\n\n")[0]
    return " ".join(paragraph.replace("`", "").split())
