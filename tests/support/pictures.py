"""Pictures compared with kept ones: tests/support/pictures/NAME.png."""

import os
from pathlib import Path

from matplotlib.testing.compare import compare_images

KEPT = Path(__file__).parent / "pictures"
# Root mean square of the differences of pixels, of 255. Another machine's last digits of a product
# give less than 1, a line that is missing 3, other words 8, another range of an axis 20.
TOLERANCE = 2.0


def compare(content: bytes, name: str, folder: Path) -> None:
    """Fails where the picture is not the kept one; what differs lies in ``folder``.

    With ``THROUGHTIME_KEEP_PICTURES=1`` it is kept instead.
    """
    kept = KEPT / f"{name}.png"
    if os.environ.get("THROUGHTIME_KEEP_PICTURES") == "1":
        KEPT.mkdir(exist_ok=True)
        kept.write_bytes(content)
    expected, actual = folder / f"{name}-kept.png", folder / f"{name}.png"
    expected.write_bytes(kept.read_bytes())
    actual.write_bytes(content)
    found = compare_images(str(expected), str(actual), TOLERANCE)
    assert found is None, (
        f"{found}; if the new picture is meant (look at it), keep it: "
        "THROUGHTIME_KEEP_PICTURES=1 pytest tests/experiments/test_figures.py"
    )
