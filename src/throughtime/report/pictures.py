"""Pictures of figures as data addresses, made small: all of a laptop run fit into one page.

A figure is drawn at 200 dots per inch with colours that no eye tells apart. Of these 256 are kept,
which takes a third of the bytes, and what is wider than it is ever shown is made smaller.
"""

import base64
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from throughtime.core import files

WIDEST = 2400  # pixels, of a figure: twice the page's width, and 300 dots per inch on paper
NARROWER = 1200  # of one that a finding shows, beside its words
COLOURS = 256


@dataclass(frozen=True)
class Picture:
    """A picture as the page holds it.

    Attributes:
        address: of its data.
        width, height: pixels, so that the page keeps its place before it is drawn.
    """

    address: str
    width: int
    height: int


def read(path: Path) -> bytes | None:
    """The content of a PNG file; None: there is no such file.

    Raises:
        UserError: the file is damaged.
    """
    return files.read(path) if path.exists() else None


def embed(png: bytes, widest: int = WIDEST) -> Picture:
    """The picture of a PNG file's content."""
    image = Image.open(BytesIO(png)).convert("RGBA")
    ground = Image.new("RGBA", image.size, "white")  # the page may be dark, and figures are not
    flat = Image.alpha_composite(ground, image).convert("RGB")
    if flat.width > widest:
        height = round(flat.height * widest / flat.width)
        flat = flat.resize((widest, height), Image.Resampling.LANCZOS)
    few = flat.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    content = BytesIO()
    few.save(content, "png", optimize=True)
    address = "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()
    return Picture(address, *few.size)


def figure_file(results: Path, experiment: str) -> Path:
    """Where an experiment's whole figure lies."""
    return results / "figures" / f"{experiment}.png"
