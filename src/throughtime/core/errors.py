"""The one exception that stands for a user's mistake."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class UserError(Exception):
    r"""A mistake in a config, a file or a call: one line that names the thing, the place and the
    mend.

    The command line prints the message and exits with 2; no traceback is shown. Anything else that
    is raised is a defect of throughtime and keeps its traceback.

    >>> str(UserError("two\nlines"))
    'two lines'
    """

    def __init__(self, text: str) -> None:
        super().__init__(one_line(text))


# characters of a message; of a longer one the middle is left out, so that its place and its mend
# stay
LONGEST = 390


def one_line(text: str, longest: int = LONGEST) -> str:
    """``text`` as one printable line: white space as a space, what a terminal might take for a
    command as a replacement character.

    >>> one_line("x" * 1000, 9)
    'xxxxx...x'
    """
    text = "".join(c if c.isprintable() else "�" for c in " ".join(text.split()))
    if len(text) <= longest:
        return text
    head = longest * 2 // 3
    return f"{text[: head - 1]}...{text[len(text) - longest + head + 2 :]}"


def nearest(name: str, valid: list[str]) -> str:
    """The hint that follows an unknown name: the closest valid one, or all of them.

    >>> nearest("clp", ["clip", "gain"])
    "did you mean 'clip'?"
    >>> nearest("zzz", ["clip", "gain"])
    'valid: clip, gain'
    """
    from difflib import get_close_matches

    close = get_close_matches(name, valid, n=1)
    return f"did you mean '{close[0]}'?" if close else f"valid: {', '.join(sorted(valid))}"


@contextmanager
def locate_errors(*places: Path) -> Iterator[None]:
    """Turn what the code of a user's files raises into one line: file, line and error.

    Args:
        places: files, or folders of files. The innermost line in one of them is named; an error
            whose traceback does not lead through them is left as it is.

    Raises:
        UserError: code in one of ``places`` raised something.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        frames = [(f.filename, f.lineno or 0) for f in traceback.extract_tb(error.__traceback__)]
        if isinstance(error, SyntaxError) and error.filename:
            frames.append((error.filename, error.lineno or 0))
        own = [(Path(file).resolve(), number) for file, number in frames if _below(file, places)]
        if not own:
            raise
        file, number = own[-1]
        here = Path.cwd().resolve()
        shown = file.relative_to(here) if file.is_relative_to(here) else file
        words = error.msg if isinstance(error, SyntaxError) else str(error)
        kind = type(error).__name__ + (f": {words}" if words else "")
        raise UserError(f"{shown}:{number}: {kind}; mend it and run again") from None


def _below(file: str, places: tuple[Path, ...]) -> bool:
    path = Path(file).resolve()
    return any(path.is_relative_to(place.resolve()) for place in places)
