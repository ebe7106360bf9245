"""The parameters of components as columns of their own: ``forget_bias`` instead of JSON in
``cell_args``.
"""

import json
from collections.abc import Iterable
from typing import Any

import pandas as pd

from throughtime.results import tables

COMPONENTS = ("task", "cell", "optimizer", "schedule")  # each with its NAME_args in the tables
ARGS = tuple(f"{kind}_args" for kind in COMPONENTS)
COLUMNS = {column.name for column in tables.SUMMARY}


def parameter_names(pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """(component, parameter) -> the name of its column.

    That is the parameter's own name. It is ``optimizer.NAME`` where two components have a parameter
    of that name, or where it is a column of the tables. A task's ``length`` has its column already
    and is left out.

    >>> parameter_names([("task", "length"), ("cell", "forget_bias"), ("optimizer", "batch")])
    {('cell', 'forget_bias'): 'forget_bias', ('optimizer', 'batch'): 'optimizer.batch'}
    """
    own = [pair for pair in dict.fromkeys(pairs) if pair != ("task", "length")]
    names = [name for _, name in own]
    return {
        (kind, name): f"{kind}.{name}" if names.count(name) > 1 or name in COLUMNS else name
        for kind, name in own
    }


def parameter_columns(summary: pd.DataFrame, only_varying: bool = True) -> pd.DataFrame:
    """One column per parameter of the networks' components.

    Args:
        summary: rows with the columns of the table; its index is kept.
        only_varying: leave out a parameter that is the same in all networks of each component.

    Returns:
        A value is missing where the network's component has no such parameter, or one that came
        later (``Component.later``) and has its default. Lists are JSON.
    """
    parsed = {
        kind: summary[f"{kind}_args"].map({a: _parse(a) for a in summary[f"{kind}_args"]})
        for kind in COMPONENTS
    }
    pairs = [
        (kind, name)
        for kind in COMPONENTS
        for args in summary[f"{kind}_args"].unique()
        for name in _parse(args)
    ]
    columns: dict[str, pd.Series] = {}
    for (kind, name), column in parameter_names(pairs).items():
        values = [_plain(args.get(name)) for args in parsed[kind]]
        parameter = pd.Series(values, summary.index)
        if not only_varying or (parameter.groupby(summary[kind]).nunique(dropna=False) > 1).any():
            columns[column] = parameter
    return pd.DataFrame(columns, index=summary.index)


def with_parameters(summary: pd.DataFrame) -> pd.DataFrame:
    """The summary with one column per parameter in which networks of one component differ."""
    return summary.join(parameter_columns(summary))


def _parse(args: str) -> dict[str, Any]:
    """The parameters in a table's JSON; none in what is no JSON object."""
    try:
        content = json.loads(args)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value
