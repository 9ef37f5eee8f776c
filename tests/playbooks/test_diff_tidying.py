"""What changes nothing is known as such, and what only looks like it is not."""

from __future__ import annotations

import pytest

from playbooks.diff_effects import Power, power_of
from playbooks.diffs import read_diff


def power(path: str, *lines: str) -> Power:
    head = f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n"
    return power_of(read_diff(head + "\n".join(lines) + "\n"))


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("a.go", [" /*", "-One pool.", "+One pool, no timeout.", " */", " var x = 1"]),
        ("a.go", ["-One pool.", "+One pool, no timeout.", " */", " var x = 1"]),
        ("a.py", [" def f():", '+    """Retries.', "+", "+    No timeout = 3.", '+    """', "     return 1"]),
        ("a.java", ["-if (a) return b;", "+if (a) {", "+  return b;", "+}"]),
        ("a.py", ["-x = f(a, b)", "+x = f(", "+    a,", "+    b,", "+)"]),
        ("package.json", ['-  "version": "1.2.3",', '+  "version": "1.3.0",']),
    ],
    ids=["block", "block cut by the hunk", "docstring", "braces", "wrapped", "own version"],
)
def test_it_is_harmless(path: str, lines: list[str]) -> None:
    assert power(path, *lines).harmless


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("a.go", ["+/*", " limiter.Wait()", "+*/", " serve()"]),
        ("a.go", ["-/*", " limiter.Wait()", "-*/", " serve()"]),
        ("a.py", [" QUERY = (", '+    """SELECT *', " FROM orders", '+    """', " )", "+x = f(QUERY)"]),
        ("a.py", [' SQL = """', "-SELECT id FROM orders LIMIT 5", "+SELECT id FROM orders", ' """']),
        ("a.c", ["-if (a) b(); c();", "+if (a) { b(); c(); }"]),
        ("a.py", ["-x = a * (b + c)", "+x = a * b + c"]),
        ("package.json", ['   "left-pad": {', '-    "version": "1.2.3"', '+    "version": "9.0.0"']),
        ("a.js", ["-rate(`${a}`)", "+rate('${a}')"]),
        ("a.js", ["-const t = load('x');", " function f() {", "+  const t = load('x');", " }"]),
    ],
    ids=[
        "commented out", "commented in", "a string given", "a query in quotes", "braces that take in more",
        "brackets that count", "another's version", "quotes that interpolate", "moved inside",
    ],
)  # fmt: skip
def test_it_is_not(path: str, lines: list[str]) -> None:
    assert not power(path, *lines).harmless


def test_a_rename_must_be_declared_somewhere_in_the_same_diff() -> None:
    use = "--- a/b.go\n+++ b/b.go\n@@ -1 +1 @@\n-\treturn doit(1)\n+\treturn tryit(1)\n"
    made = "--- a/a.go\n+++ b/a.go\n@@ -1 +1 @@\n-func doit(n int) {\n+func tryit(n int) {\n"
    use, made = (f"diff --git a/{name} b/{name}\n{part}" for name, part in (("b.go", use), ("a.go", made)))
    assert power_of(read_diff(made + use)).harmless
    assert not power_of(read_diff(use)).harmless
