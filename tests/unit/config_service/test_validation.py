from __future__ import annotations

import time

import pytest

from config_service import validation
from config_service.document import JSON, YAML, Component, Document, Platform
from servicekit.errors import Problem


def only(problems: list[Problem]) -> Problem:
    """Return the one problem there is."""
    (problem,) = problems
    return problem


@pytest.mark.parametrize("name", ["a", "A.b-c_9", "9" * 128])
def test_good_names(name: str) -> None:
    """Letters, digits, dots, hyphens, underscores; up to 128."""
    assert validation.check_name(name) == []


@pytest.mark.parametrize("name", ["", "-a", ".a", "a b", "a/b", "a\n", "é", "9" * 129, "a\x00", "../a", "a*", "a>"])
def test_bad_names(name: str) -> None:
    """Nothing that could break a path, a subject or a line."""
    assert only(validation.check_name(name)).field == "name"


@pytest.mark.parametrize(
    "text",
    [
        "receivers:\n  otlp:\n    protocols: {grpc: {}, http: {}}\n",
        "a: &x {k: 1}\nb: *x\nc: {<<: *x}\n",
        "- 1\n- 2\n",
        "---\na: 1\n...\n",
        "# a comment first\na: 'x'\n",
        "'a': 1\nb: \"\"\n",
        "host: ${env:HOST}\n",
    ],
)
def test_good_yaml(text: str) -> None:
    """What people write for collectors passes."""
    assert validation.check_content(YAML, text) == []


@pytest.mark.parametrize(
    ("text", "line", "column", "told"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", 3, 2, "expected"),
        ("a: 1\n\tb: 2\n", 2, 1, "tab character"),
        ("a: 1\nb: 2\na: 3\n", 3, 1, "'a' stands twice"),
        ("x:\n  k: 1\n  'k': 2\n", 3, 3, "'k' stands twice"),
        ("a: !!python/object:os.system x\n", 1, 4, "tag"),
        ("a: !custom x\n", 1, 4, "tag"),
        ("a: 1\n---\nb: 2\n", 2, 1, "one document"),
        ("a: *nowhere\n", 1, 4, "nowhere"),
        ("? [1, 2]\n: x\n", 1, 3, "key must be plain"),
        ("? {a: b}\n: x\n", 1, 3, "key must be plain"),
    ],
)
def test_bad_yaml_is_told_with_its_place(text: str, line: int, column: int, told: str) -> None:
    """A person can jump to the fault."""
    problem = only(validation.check_content(YAML, text))

    assert problem.field == "raw_config"
    assert told in problem.message
    assert (problem.line, problem.column) == (line, column)


def test_character_yaml_does_not_allow() -> None:
    """A control character is refused, with or without a place."""
    assert validation.check_content(YAML, "a: 1\nb: \x01\n") != []
    assert validation.check_content(YAML, "a: \x00\n") != []


@pytest.mark.parametrize("text", ["", "  \n", "# only a comment\n", "---\n", "null\n", "~\n", "--- \n...\n"])
def test_empty_content_is_refused(text: str) -> None:
    """Nothing is not a configuration: an agent could take it for an order to stop."""
    assert "empty" in only(validation.check_content(YAML, text)).message


@pytest.mark.parametrize("text", ["null", " ", ""])
def test_empty_json_is_refused(text: str) -> None:
    """The same in JSON."""
    assert "empty" in only(validation.check_content(JSON, text)).message


@pytest.mark.parametrize(
    ("content_type", "text", "place"),
    [(YAML, "# hm\n  plain words\n", (2, 3)), (YAML, "42", (1, 1)), (JSON, ' "x"', (1, 2)), (JSON, "1", (1, 1))],
)
def test_a_single_value_is_refused(content_type: str, text: str, place: tuple[int, int]) -> None:
    """A body that is neither mapping nor list is refused with its place."""
    problem = only(validation.check_content(content_type, text))
    assert "mapping or a list" in problem.message
    assert (problem.line, problem.column) == place


@pytest.mark.parametrize("content_type", [YAML, JSON])
def test_size_is_bounded(content_type: str) -> None:
    """One byte over the limit is refused before anything is read."""
    fits = '["' + "a" * (validation.MAX_CONTENT_BYTES - 4) + '"]'

    assert validation.check_content(content_type, fits) == []
    assert "bytes" in only(validation.check_content(content_type, fits + " ")).message


@pytest.mark.parametrize("content_type", [YAML, JSON])
def test_nodes_are_bounded(content_type: str) -> None:
    """Ten thousand nodes pass, one more does not."""
    fits = "[" + ",".join("1" * (validation.MAX_NODES - 1)) + "]"

    assert validation.check_content(content_type, fits) == []
    assert "nodes" in only(validation.check_content(content_type, fits[:-1] + ",1]")).message


@pytest.mark.parametrize("content_type", [YAML, JSON])
def test_depth_is_bounded(content_type: str) -> None:
    """Sixty-four levels pass; twenty thousand are refused at the sixty-fifth."""
    assert validation.check_content(content_type, "[" * 64 + "]" * 64) == []
    problem = only(validation.check_content(content_type, "[" * 20_000))
    assert "deeper" in problem.message
    assert problem.column == 65


def test_aliases_are_bounded() -> None:
    """A hundred aliases pass, one more does not."""
    fits = "a: &a 1\nb: [" + ",".join(["*a"] * 100) + "]\n"

    assert validation.check_content(YAML, fits) == []
    assert "aliases" in only(validation.check_content(YAML, fits.replace("[*a", "[*a,*a"))).message


@pytest.mark.parametrize("merge", ["", "<<: "])
def test_alias_bombs_are_refused_quickly(merge: str) -> None:
    """A billion laughs, plain or through merge keys, costs nothing."""
    lines = ["a0: &a0 {k: 1}"] + [
        f"a{n}: &a{n} {{{merge or 'x: '}[{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 11)
    ]
    start = time.thread_time()

    problem = only(validation.check_content(YAML, "\n".join(lines)))

    assert "expand" in problem.message
    assert time.thread_time() - start < 5, "seconds of the processor, however busy it is; unfolded it would be hours"


def test_alias_to_itself_is_refused() -> None:
    """A collection cannot hold itself."""
    assert validation.check_content(YAML, "a: &a [*a]\n") != []


@pytest.mark.parametrize(
    ("text", "line", "column", "told"),
    [
        ('{"a": 1,\n "b": }', 2, 7, "Expecting value"),
        ('{"a": 1,\n "a": 2}', 2, 2, "'a' stands twice"),
        ('{"a": {"b": [{"c": 1, "c": 2}]}}', 1, 23, "'c' stands twice"),
        ('{"a": 1', 1, 8, "Expecting"),
        ("{'a': 1}", 1, 2, "Expecting property name"),
    ],
)
def test_bad_json_is_told_with_its_place(text: str, line: int, column: int, told: str) -> None:
    """The same for JSON."""
    problem = only(validation.check_content(JSON, text))

    assert told in problem.message
    assert (problem.line, problem.column) == (line, column)


@pytest.mark.parametrize("text", ["{}", '{"a": [1, "}{", {"b": "\\""}], "c": "a: b"}', "[1,2]"])
def test_good_json(text: str) -> None:
    """Brackets and colons in strings are only text."""
    assert validation.check_content(JSON, text) == []


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}'])
def test_constants_that_are_not_json(text: str) -> None:
    """Python reads them, nobody else has to."""
    assert "not JSON" in only(validation.check_content(JSON, text)).message


def test_escaped_duplicate_key_is_found() -> None:
    """Two spellings of one key are one key."""
    assert "twice" in only(validation.check_content(JSON, '{"a": 1, "\\u0061": 2}')).message


def test_load_bounded_refuses_what_does_not_pass() -> None:
    """Nothing is constructed that was not judged."""
    assert validation.load_bounded(YAML, "a: 1\n") == {"a": 1}
    assert validation.load_bounded(JSON, '{"a": 1}') == {"a": 1}
    with pytest.raises(ValueError, match="twice"):
        validation.load_bounded(YAML, "a: 1\na: 2\n")


def test_document_tells_every_problem_at_once() -> None:
    """A person corrects everything in one go."""
    document = Document(
        display_name="x" * 300,
        description="\x00",
        content_type="toml",
        raw_config="a: 1",
        selector={"": "x", "k" * 300: "v", "n": "\x00", **{f"k{n}": "v" for n in range(70)}},
        platform=Platform(
            sources=(Component("", "t"), Component("x", "t", {"big": "y" * 70_000})) * 60,
            processors=(Component("n\x00", "t"),),
        ),
    )

    fields = {problem.field for problem in validation.check_document(document)}

    assert {"display_name", "description", "content_type", "selector", "selector.'n'"} <= fields
    assert {"platform.sources", "platform.sources.parameters", "platform.processors"} <= fields


def test_good_document_has_no_problems() -> None:
    """The plain case."""
    document = Document(
        "Shown", "Told", YAML, "a: 1", {"env": "prod"}, -5, Platform(sources=(Component("a", "b", {"c": 1}),))
    )

    assert validation.check_document(document) == []


def test_author_and_comment_are_bounded() -> None:
    """Both are kept for ever in history."""
    assert validation.check_author("ann", "because") == []
    assert [problem.field for problem in validation.check_author("a" * 257, "c" * 1025)] == ["author", "comment"]
