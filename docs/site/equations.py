r"""Equations of Markdown as MathML, which browsers draw without a script.

``$..$`` in a line and ``$$..$$`` over lines, as GitHub draws them. Code is left alone. An equation
with ``\tag{3.1}`` is numbered, and ``#eq-3.1`` leads to it.
"""

import re
from collections.abc import Callable

CODE = r"```.*?^```|`[^`\n]+`"
DISPLAY = r"\$\$(?P<display>.+?)\$\$"
INLINE = r"(?<![\\$\w])\$(?P<inline>[^\s$](?:[^$\n]*[^\s$])?)\$(?!\d)"
PARTS = re.compile(rf"(?P<code>{CODE})|{DISPLAY}|{INLINE}", flags=re.DOTALL | re.MULTILINE)
TAG = re.compile(r"\\tag\{([\d.]+)\}")

Convert = Callable[[str, bool], str]


def found(text: str) -> list[tuple[str, bool]]:
    """Every equation of a page: its TeX, and whether it stands alone."""
    parts = [m for m in PARTS.finditer(text) if not m["code"]]
    return [((m["display"] or m["inline"]).strip(), bool(m["display"])) for m in parts]


def labels(text: str) -> list[str]:
    """The numbers of a page's equations, in order."""
    return [tag for tex, _ in found(text) for tag in TAG.findall(tex)]


def stash(text: str, convert: Convert) -> tuple[str, list[str]]:
    """A page with a token in place of every equation, which Markdown leaves as it is, and what the
    tokens stand for.
    """
    kept: list[str] = []

    def one(match: re.Match[str]) -> str:
        if match["code"]:
            return match[0]
        alone = bool(match["display"])
        tex = (match["display"] or match["inline"]).strip()
        tag = TAG.search(tex)
        html = convert(TAG.sub("", tex).strip(), alone)
        if alone:
            label = f'<span class="number">({tag[1]})</span>' if tag else ""
            anchor = f' id="eq-{tag[1]}"' if tag else ""
            html = f'<div class="equation"{anchor}>{html}{label}</div>'
        kept.append(html)
        return f"xEQUATION{len(kept) - 1}x"

    return PARTS.sub(one, text), kept


def restore(html: str, kept: list[str]) -> str:
    """Put the equations back into the page that Markdown made."""
    html = re.sub(r"<p>xEQUATION(\d+)x</p>", lambda m: kept[int(m[1])], html)
    return re.sub(r"xEQUATION(\d+)x", lambda m: kept[int(m[1])], html)


def mathml(tex: str, alone: bool) -> str:
    """TeX as MathML; needs latex2mathml, which the extra ``docs`` brings."""
    from latex2mathml.converter import convert

    return str(convert(tex, display="block" if alone else "inline"))
