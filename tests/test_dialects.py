"""Dialects: schemas and values of other sets become JSON Schema and JSON, where there is no doubt."""

import pytest

from lafunc.data.dialects import arguments_of, as_said, coerce, number_of, parameters_of, stands_in, tool_of, type_of
from lafunc.data.rows import RowError


@pytest.mark.parametrize(
    "text, expected",
    [
        ("str", {"type": "string"}),
        ("int, optional", {"type": "integer"}),
        ("Optional[float]", {"type": "number"}),
        ("Union[int, str]", {"type": "integer"}),
        ("List[int]", {"type": "array", "items": {"type": "integer"}}),
        ("array of strings", {"type": "array", "items": {"type": "string"}}),
        ("Dict[str, int]", {"type": "object"}),
        ("bool", {"type": "boolean"}),
    ],
)
def test_types_of_python_become_types_of_json_schema(text, expected):
    assert type_of(text) == expected


def test_an_unknown_type_is_an_error():
    with pytest.raises(RowError, match="unknown type: Callable"):
        type_of("Callable[[int], int]")


def test_glitches_of_schemas_are_undone():
    given = {
        "type": "dict",
        "properties": {
            "slip_id": {"type": "string", "desciption": "The slip.", "required": True},
            "names": {"type": "list", "default": ""},
        },
        "required": None,
    }
    assert parameters_of(given) == {
        "type": "object",
        "properties": {
            "slip_id": {"type": "string", "description": "The slip."},
            "names": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["slip_id"],
    }
    assert tool_of("f", None, given["properties"], ["slip_id"])["parameters"]["required"] == ["slip_id"]
    with pytest.raises(RowError, match="a parameter has no schema: x"):
        parameters_of({"x": "a number"})


@pytest.mark.parametrize(
    "value, schema, expected",
    [
        ("5", {"type": "integer"}, 5),
        ("5.5", {"type": "integer"}, "5.5"),
        (5.0, {"type": "integer"}, 5),
        ("2.50", {"type": "number"}, 2.5),
        ("True", {"type": "boolean"}, True),
        (7, {"type": "string"}, "7"),
        ('["1", 2]', {"type": "array", "items": {"type": "integer"}}, [1, 2]),
        ("CELSIUS", {"type": "string", "enum": ["celsius"]}, "celsius"),
        ({"n": "1"}, {"type": "object", "properties": {"n": {"type": "integer"}}}, {"n": 1}),
        ("[broken", {"type": "array"}, "[broken"),
    ],
)
def test_values_take_the_type_of_their_schema_where_there_is_no_doubt(value, schema, expected):
    assert coerce(value, schema) == expected
    assert type(coerce(value, schema)) is type(expected)


def test_optional_arguments_that_say_nothing_are_absent():
    tool = tool_of("f", "", {"a": {"type": "str"}, "b": {"type": "str", "default": "x"}})
    assert arguments_of({"a": "None", "b": "None"}, tool) == {"a": "None"}


def test_what_a_text_says():
    text = "Wake Bob Ross at 3pm, for twenty five dollars and 1,000 cents"
    assert as_said("bob ross", text) == "Bob Ross"
    assert as_said("3 PM", text) == "3pm"
    assert as_said("Bob Rosso", text) is None
    assert stands_in(25, text) and stands_in(1000, text) and stands_in(["bob", 3], text)
    assert not stands_in(5.5, text) and not stands_in(True, text) and not stands_in(10, text)
    assert number_of("forty-two") == 42 and number_of("many") is None
