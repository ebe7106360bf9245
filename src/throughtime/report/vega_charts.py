"""The report's charts in Vega-Lite's grammar, as Altair writes it, and the JavaScript that draws
them: embedded, never fetched.

Charts name their data (``grid_points``, ``points``); the page's script fills them in, with titles
and the values of axes.
"""

from functools import cache
from typing import Any, Literal

import altair as alt
import vl_convert

STATUS = {
    "solved": ("#00604a", [1, 0]),
    "unsolved": ("#8a4b00", [6, 3]),
    "diverged": ("#a3009b", [2, 2]),
    "untrained": ("#555555", [8, 2, 2, 2]),
}  # colour, dashes
BRIGHT = 0.62  # of the colour scale: text is dark above, light below
NO_RATE = "#d9d9d9"  # of a grid point that has no rate, as its networks are untrained
FONT = 'system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif'


@cache
def javascript() -> str:
    """Vega, Vega-Lite and vega-embed, as a text that may stand inside a script element; it sets
    window.vegaEmbed.
    """
    code: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=_version())
    return code.replace("</script", r"<\/script").replace("<!--", r"<\!--")


def _version() -> str:
    """Vega-Lite's, that of Altair's schema: major and minor."""
    return ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])


def specs() -> dict[str, dict[str, Any]]:
    """Name -> chart: ``heat`` and the three curves."""
    charts = {
        "heat": heat(),
        "loss": curve("log"),
        "measure": curve("linear"),
        "gradient": curve("log"),
    }
    return {name: _plain(chart) for name, chart in charts.items()}


def _plain(chart: Any) -> dict[str, Any]:
    """The chart as JSON-ready values, without Altair's theme."""
    styled = chart.configure(font=FONT, background="transparent").configure_view(stroke=None)
    spec: dict[str, Any] = {k: v for k, v in styled.to_dict().items() if k != "$schema"}
    return spec | {"autosize": {"type": "fit-x", "contains": "padding"}}


def heat() -> Any:
    """Grid points of a panel: colour is the share of seeds solved, grey where none was trained;
    text says solved / n, and x how many diverged. The chosen one is framed.
    """
    chosen = alt.param(name="chosen", value="")
    hints = [
        alt.Tooltip(f"{name}:N", title=name.replace("_", " "))
        for name in ("grid_point", "n", "solved", "unsolved", "diverged", "untrained", "seeds")
    ]
    bands = alt.Scale(paddingInner=0.08, paddingOuter=0.04)  # room for the frame
    base = alt.Chart(alt.NamedData(name="grid_points")).encode(
        x=alt.X(
            "x:N",
            sort=None,
            scale=bands,
            axis=alt.Axis(labelAngle=0, grid=False, domain=False, ticks=False),
        ),
        y=alt.Y(
            "y:N", sort=None, scale=bands, axis=alt.Axis(grid=False, domain=False, ticks=False)
        ),
    )
    framed = alt.condition("datum.key === chosen", alt.value("#c40000"), alt.value("transparent"))
    rate = alt.Color(
        "rate:Q",
        scale=alt.Scale(scheme="cividis", domain=[0, 1]),
        legend=alt.Legend(
            title="share of seeds solved",
            orient="bottom",
            format=".0%",
            gradientLength=180,
            tickCount=2,
        ),
    )
    # invalid: by itself Vega-Lite would draw no tile where there is no rate
    tiles = base.mark_rect(cursor="pointer", strokeWidth=3, invalid=None).encode(
        color=alt.condition("datum.rate === null", alt.value(NO_RATE), rate),
        stroke=framed,
        description="label:N",
        tooltip=hints,
    )
    words = base.mark_text(fontSize=11, aria=False).encode(
        text="text:N",
        color=alt.condition(
            f"datum.rate === null || datum.rate > {BRIGHT}",
            alt.value("#000000"),
            alt.value("#ffffff"),
        ),
    )
    return alt.layer(tiles, words).add_params(chosen).properties(width="container")


def curve(scale: Literal["log", "linear"]) -> Any:
    """One line per network over updates, its ``name`` at the end; colour and dashes say how it
    ended.
    """
    names = list(STATUS)
    base = alt.Chart(alt.NamedData(name="points")).encode(
        x=alt.X("step:Q", title="updates", axis=alt.Axis(tickCount=4, grid=False)),
        y=alt.Y(
            "value:Q",
            scale=alt.Scale(type="log", nice=False) if scale == "log" else alt.Scale(zero=False),
            axis=alt.Axis(tickCount=4, format="~g", labelOverlap=True),
        ),
        color=alt.Color(
            "status:N",
            scale=alt.Scale(domain=names, range=[c for c, _ in STATUS.values()]),
            legend=None,
        ),
        detail="seed:N",
        tooltip=[
            alt.Tooltip(f"{name}:N", title=name) for name in ("seed", "status", "step", "value")
        ],
    )
    dashes = alt.StrokeDash(
        "status:N",
        scale=alt.Scale(domain=names, range=[d for _, d in STATUS.values()]),
        legend=None,
    )
    lines = base.mark_line(
        point=alt.OverlayMarkDef(size=14, strokeDash=[1, 0]), strokeWidth=1.8
    ).encode(strokeDash=dashes)
    ends = (
        base.transform_filter("datum.last")
        .mark_text(align="left", dx=5, fontSize=11, aria=False)
        .encode(text="name:N")
    )
    room = {"left": 5, "right": 45, "top": 5, "bottom": 5}  # on the right for names
    return alt.layer(lines, ends).properties(width="container", height=170, padding=room)
