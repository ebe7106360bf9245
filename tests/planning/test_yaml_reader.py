"""YAML that means no good: refused with one line, and never built."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.core.errors import UserError
from throughtime.planning import yaml_reader

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text("abc xyz", max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abcdef", min_size=1, max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "more than 20,000 values"),
        ("[" * 5000 + "]" * 5000, "nested deeper than 12 levels"),
        ("a: &a [*a]", r"here:1: the alias \*a stands for nothing that is complete"),
        ("a: 1\nb: 2\na: 3", "here:3: not YAML: the key 'a' is given twice"),
        ("a: !!python/object/apply:os.system [ls]", "the tag .* has no meaning here"),
        ("a: \0", "here:1: not YAML"),
        ("a: " + "1" * 5000, "not YAML that can be read"),
        ("[1]: 2", "not YAML: found unhashable key"),
        ("a: [", "here:1: not YAML"),
        ("a: 1\n--- \nb: 2", "not YAML"),
    ],
)
def test_it_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        yaml_reader.parse(text, "here")
    assert len(str(error.value)) < 400
    assert str(error.value).isprintable()


@given(value=plain)
def test_what_is_plain_is_read_as_the_safe_loader_reads_it(value: object) -> None:
    text = yaml.safe_dump(value)
    assert yaml_reader.parse(text, "here") == yaml.safe_load(text)


@settings(max_examples=200)
@given(content=st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_read_or_refused_in_one_line(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("yaml") / "x.yaml"
    path.write_bytes(content)
    said = ""
    try:
        yaml_reader.read(path)
    except UserError as error:
        said = str(error)
    assert said.isprintable()
    assert len(said) < 400


def test_large_missing_and_foreign_files(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"# " + b"x" * (300 << 10))
    (tmp_path / "latin").write_bytes("é".encode("latin-1"))
    for name, said in (
        ("large", "larger than 256 KiB"),
        ("latin", "not UTF-8 text"),
        ("none", "no such file"),
        (".", "Is a directory"),
    ):
        with pytest.raises(UserError, match=said):
            yaml_reader.read(tmp_path / name)
