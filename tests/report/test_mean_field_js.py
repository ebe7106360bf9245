"""The page computes what throughtime.theory does, to six digits."""

import json
import shutil
import subprocess

import pytest

from tests.report import javascript

ASK = """
const meanField = require(process.argv[1]);
const cases = JSON.parse(require("fs").readFileSync(0, "utf-8"));
console.log(JSON.stringify(cases.map(([name, args]) => meanField[name](...args))));
"""


def test_node_says_what_python_says() -> None:
    node = shutil.which("node")
    if not node:
        pytest.skip("no node in PATH; the browser tests (make test-browser) hold the same")
    wanted = javascript.cases()
    asked = json.dumps([[name, args] for name, args, _ in wanted])
    command = [node, "-e", ASK, str(javascript.SOURCE)]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    javascript.assert_equal(json.loads(done.stdout), wanted)


def test_a_wrong_number_is_seen() -> None:
    (name, args, value), *_ = javascript.cases()
    with pytest.raises(AssertionError):
        javascript.assert_equal([value * (1 + 1e-5)], [(name, args, value)])
