"""The report's charts in Vega-Lite's grammar, as Altair writes it, and the JavaScript that draws
them: embedded, never fetched.

Charts name their data (``grid_points``, ``points``, ..); the page's scripts fill them in, with
titles and the values of axes. In a dark page report.css gives texts, rules and colours of STATUS
and PARTS others.
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
PARTS = {
    "within K": "#0b57a4",
    "cut off by K": "#a33b00",
}  # of the gradient by lag: colour
BRIGHT = 0.62  # of the colour scale: text is dark above, light below
NO_RATE = "#d9d9d9"  # of a grid point that has no rate, as its networks are untrained
NEUTRAL = "#333333"  # what was measured
OF_ATLAS = ("heat", "loss", "measure", "gradient")
OF_SLIDERS = ("by_lag", "frontier")
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
    """Name -> chart: ``heat``, the three curves, and the two of the sliders."""
    charts = {
        "heat": heat(),
        "loss": curve("log"),
        "measure": curve("linear"),
        "gradient": curve("log"),
        "by_lag": by_lag(),
        "frontier": frontier(),
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


def by_lag() -> Any:
    """The gradient's norm by lag, of lag 0: theory's as dots, which K holds or cuts off, and the
    measured ones (``measured``: median and range of the seeds, by initial scheme); the lag in
    question (``chosen``) as a rule.
    """
    x = alt.X("lag:Q", title="lag k, steps", scale=alt.Scale(nice=False), axis=alt.Axis(grid=False))
    norm = alt.Scale(type="log", nice=False)
    axis = alt.Axis(tickCount=5, format="~e", labelOverlap=True, grid=False)
    y = alt.Y("norm:Q", title="gradient norm, of that at lag 0", scale=norm, axis=axis)
    hints = [alt.Tooltip("lag:Q"), alt.Tooltip("norm:Q", format=".3~g")]
    colour = alt.Color(
        "part:N",
        scale=alt.Scale(domain=list(PARTS), range=list(PARTS.values())),
        legend=alt.Legend(title="theory", orient="bottom", columns=1),
    )
    theory = alt.Chart(alt.NamedData(name="theory"))
    dots = theory.mark_point(filled=True, size=30).encode(
        x=x, y=y, color=colour, tooltip=[*hints, "part:N"]
    )
    measured = alt.Chart(alt.NamedData(name="measured"))
    ranges = measured.mark_rule(strokeWidth=1, color=NEUTRAL).encode(
        x=x, y=alt.Y("low:Q", scale=norm), y2="high:Q"
    )
    shapes = alt.Shape(
        "init:N",
        scale=alt.Scale(domain=["gaussian", "orthogonal"], range=["square", "triangle-up"]),
        legend=alt.Legend(title="measured", orient="bottom", columns=1),
    )
    medians = measured.mark_point(size=40, color=NEUTRAL, filled=False).encode(
        x=x, y=y, shape=shapes, tooltip=[*hints, "init:N", "n:Q"]
    )
    chosen = alt.Chart(alt.NamedData(name="chosen"))
    rule = chosen.mark_rule(strokeDash=[4, 3], color=NEUTRAL).encode(x=x)
    return alt.layer(rule, ranges, medians, dots).properties(width="container", height=260)


def frontier() -> Any:
    """The predicted frontier over the gain (``predicted``: one line for each multiple of xi), the
    measured one (``measured``: open where it is only a bound), and the chosen gain and lag
    (``chosen``) as a cross.
    """
    logs = alt.Scale(type="log", nice=False)
    gains = alt.Axis(grid=False, values=[0.25, 0.5, 1, 1.5, 2, 3], format="~g")
    x = alt.X("gain:Q", title="initial gain g", scale=logs, axis=gains)
    lags = alt.Axis(tickCount=5, format="~g", labelOverlap=True, grid=False)
    scale = alt.Scale(type="log", nice=False, domain=[1, 200])
    y = alt.Y("lag:Q", title="lag, steps", scale=scale, axis=lags)
    predicted = alt.Chart(alt.NamedData(name="predicted"))
    lines = predicted.mark_line(strokeWidth=2, color=PARTS["within K"], clip=True).encode(
        x=x,
        y=y,
        strokeDash=alt.StrokeDash(
            "name:N", legend=alt.Legend(title="theory", orient="bottom", columns=1)
        ),
        detail="name:N",
    )
    measured = alt.Chart(alt.NamedData(name="measured"))
    # aria: without data a layer is an empty group, which a screen reader would announce
    ranges = measured.mark_rule(color=NEUTRAL, clip=True, aria=False).encode(
        x=x, y=alt.Y("low:Q", scale=scale), y2="high:Q"
    )
    hints = ["gain:Q", "lag:Q", "frontier:N", "n:Q"]
    shapes = alt.Shape(
        "kind:N",
        scale=alt.Scale(domain=["half the seeds", "at least"], range=["circle", "triangle-up"]),
        legend=alt.Legend(title="measured", orient="bottom", columns=1),
    )
    points = measured.mark_point(size=50, color=NEUTRAL, clip=True, aria=False).encode(
        x=x, y=y, shape=shapes, tooltip=hints
    )
    chosen = alt.Chart(alt.NamedData(name="chosen"))
    cross = chosen.mark_point(
        shape="cross", size=180, filled=True, color=PARTS["cut off by K"], clip=True
    ).encode(x=x, y=y)
    return alt.layer(lines, ranges, points, cross).properties(width="container", height=260)
