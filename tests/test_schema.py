"""JSON Schema keywords: honoured by the languages, or refused by name and place."""

import json
import time

import jsonschema
import pytest
from conftest import make_tokenizer

from lafunc.compiling_lafunc import compile_tool
from lafunc.node_lafunc import Slot, continuations
from lafunc.scaffolding_lafunc import Scaffold
from lafunc.schema_lafunc import SchemaError
from lafunc.vocabulary_lafunc import Vocabulary


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary(make_tokenizer("llama"))


def compile_value(schema, vocabulary, **root) -> Scaffold:
    """A tool with one required argument `a` of this schema."""
    parameters = {"type": "object", "properties": {"a": schema}, "required": ["a"], **root}
    return Scaffold([compile_tool({"name": "f", "parameters": parameters}, vocabulary)], vocabulary)


def expressible(scaffold: Scaffold, arguments: dict) -> bool:
    """Whether a left-to-right walk can write these arguments, in some tokenization."""
    body = json.dumps(arguments, ensure_ascii=False)
    goal = f'<tool_call>\n{{"name": "f", "arguments": {body}}}\n</tool_call>'.encode()
    return any(_can_write(way, goal, scaffold.vocabulary) for way in continuations(scaffold.chain))


def _can_write(way, goal: bytes, vocabulary: Vocabulary) -> bool:
    if not goal.startswith(way.text.encode()):
        return False
    goal = goal[len(way.text.encode()) :]
    if way.slot is None:
        return not goal
    return any(
        _can_write(following, goal[end:], vocabulary)
        for end in sorted(_ends(way.slot, goal, vocabulary))
        for following in continuations(way.rest)
    )


def _ends(slot: Slot, goal: bytes, vocabulary: Vocabulary) -> set[int]:
    """Where a value of the slot may end in the text."""
    seen, todo = set(), [(0, slot.language.start)]
    while todo:
        at, state = point = todo.pop()
        if point in seen:
            continue
        seen.add(point)
        for group, to in slot.language.edges(state):
            for id in group.ids:
                written = vocabulary.bytes[id]
                if goal.startswith(written, at):
                    todo.append((at + len(written), to))
    return {at for at, state in seen if slot.language.accepting(state)}


OBJECT = {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "string"}}, "required": ["x"]}
OBJECTS = {"type": "array", "items": OBJECT, "minItems": 1, "maxItems": 2}
CASES = {
    "string": ({"type": "string"}, ["", "a b", 'q"\\', "é🎉", "\n"], [1, None]),
    "minLength": ({"type": "string", "minLength": 2}, ["ab", "éé🎉"], ["", "a", "é"]),
    "maxLength": ({"type": "string", "maxLength": 2}, ["", "éé", '"\n'], ["abc"]),
    "maxLength beyond any budget": ({"type": "string", "maxLength": 10**9}, ["abc"], [1]),
    "integer": ({"type": "integer"}, [0, -7, 10**20], [1.5, "1", True]),
    "integral float": ({"type": "integer", "minimum": 1.5, "maximum": 4.0}, [2, 4], [1, 5]),
    "integer bounds beyond doubles": ({"type": "integer", "maximum": 1e23}, [10**23 - 10**8], [10**23]),
    "number": ({"type": "number"}, [0, -0.25, 12345.678], ["1", None]),
    "minimum": ({"type": "number", "minimum": -1.5}, [-1.5, 0, 3], [-1.51, -2]),
    "exclusiveMinimum": ({"type": "number", "exclusiveMinimum": 0}, [0.001, 5], [0, -1]),
    "maximum": ({"type": "integer", "maximum": 31}, [31, 4, -32], [32, 100]),
    "exclusiveMaximum": ({"type": "integer", "exclusiveMaximum": 31}, [30], [31, 32]),
    "minimum and exclusiveMinimum": ({"type": "integer", "minimum": 3, "exclusiveMinimum": 3}, [4], [3]),
    "multipleOf one": ({"type": "integer", "multipleOf": 1}, [3], [3.5]),
    "boolean": ({"type": "boolean"}, [True, False], [None, 0, "true"]),
    "null": ({"type": "null"}, [None], [False, ""]),
    "list of types": ({"type": ["integer", "null", "string"]}, [1, None, "x"], [True, 1.5]),
    "integer and number": ({"type": ["integer", "number"]}, [1, 1.5], ["1"]),
    "no type": ({}, [1, "x", None, True, [1, "a"], {"k": [None]}], []),
    "true": (True, [1, {"k": "v"}], []),
    "type from keywords": ({"maxLength": 2}, ["ab"], ["abc"]),
    "enum": ({"enum": ["a", 1, None, [1], {"k": 1}, "ab"]}, ["a", 1, None, [1], {"k": 1}, "ab"], ["b", 2, True]),
    "enum of strings": ({"enum": ["a", "ab", 'q"']}, ["a", "ab", 'q"'], ["", "abc"]),
    "enum with other keywords": ({"enum": ["a", "abc", 1], "type": "string", "maxLength": 2}, ["a"], ["abc", 1]),
    "enum with pattern": ({"enum": ["a", "b"], "pattern": "a"}, ["a"], ["b"]),
    "enum with anyOf": ({"enum": [1, "a"], "anyOf": [{"type": "string"}, {"type": "null"}]}, ["a"], [1, None]),
    "const": ({"const": {"k": [1]}}, [{"k": [1]}], [{"k": [2]}, {}]),
    "const and enum": ({"const": 2, "enum": [1, 2]}, [2], [1]),
    "array of strings": ({"type": "array", "items": {"type": "string"}}, [[], ["a"], ["a", 'b", "c']], [[1], "a"]),
    "array of arrays": (
        {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}, [[], [[]], [[1], [2, 3]]], [[1]]
    ),
    "minItems": ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [[1, 2], [1, 2, 3]], [[], [1]]),
    "maxItems": ({"type": "array", "items": {"type": "integer"}, "maxItems": 2}, [[], [1, 2]], [[1, 2, 3]]),
    "maxItems of one": ({"type": "array", "items": {"type": "null"}, "maxItems": 1}, [[], [None]], [[None, None]]),
    "maxItems of none": ({"type": "array", "maxItems": 0}, [[]], [[1]]),
    "uniqueItems of one": ({"type": "array", "maxItems": 1, "uniqueItems": True}, [["a"]], [["a", "b"]]),
    "object": (OBJECT, [{"x": 1}, {"x": 1, "y": "b"}], [{}, {"y": "b"}, {"x": "1"}, {"x": 1, "z": 2}]),
    "array of objects": (OBJECTS, [[{"x": 1}], [{"x": 1, "y": "a"}, {"x": 2}]], [[], [{}], [{"x": 1}] * 3]),
    "required only": ({"type": "object", "required": ["k"]}, [{"k": 1}, {"k": "v"}], [{}]),
    "required from the map": (
        {"type": "object", "required": ["k"], "additionalProperties": {"type": "null"}}, [{"k": None}], [{"k": 1}, {}]
    ),
    "map": (
        {"type": "object", "additionalProperties": {"type": "integer"}}, [{}, {"a": 1, "é b": 2}], [{"a": "1"}]
    ),
    "closed map": ({"type": "object", "additionalProperties": False}, [{}], [{"a": 1}]),
    "unevaluatedProperties": ({"type": "object", "unevaluatedProperties": False}, [{}], [{"a": 1}]),
    "false property": ({**OBJECT, "properties": {"x": {}, "y": False}}, [{"x": 1}], [{"x": 1, "y": "b"}]),
    "nullable object": ({**OBJECT, "type": ["object", "null"]}, [None, {"x": 1}], [{}, 1]),
    "anyOf": ({"anyOf": [{"type": "integer", "minimum": 3}, {"type": "string"}]}, [3, "x"], [2, None]),
    "anyOf beside keywords": ({"maxLength": 1, "anyOf": [{"type": "string"}, {"type": "null"}]}, ["a", None], ["ab"]),
    "anyOf with an object": ({"anyOf": [{"type": "string"}, OBJECT]}, ["s", {"x": 1}], [{}, 1]),
    "deep anyOf of arrays": (
        {"type": "array", "items": {"type": "array", "items": {"type": "array", "items": {
            "anyOf": [{"type": "array", "items": {"type": "integer"}}]}}}},
        [[[[[1]]]], []], [[[[1]]]],
    ),
    "oneOf": ({"oneOf": [{"type": "integer"}, {"type": "null"}]}, [1, None], ["x", 1.5]),
    "oneOf constants": ({"oneOf": [{"const": "a", "title": "A"}, {"const": "b"}]}, ["a", "b"], ["c"]),
    "allOf of one": ({"allOf": [{"type": "string"}], "maxLength": 1, "description": "d"}, ["a"], ["ab", 1]),
    "allOf of true": ({"type": "integer", "allOf": [True]}, [1], ["a"]),
    "$ref": ({"$ref": "#/$defs/s"}, ["a", "ab"], ["abc", 1]),
    "$ref beside keywords": ({"$ref": "#/$defs/s", "minLength": 2}, ["ab"], ["a", "abc"]),
    "$ref with escapes": ({"$ref": "#/$defs/a~1b%20c"}, [1], ["a"]),
    "not, without effect": ({"type": "integer", "not": False}, [1], ["a"]),
    "format is an annotation": ({"type": "string", "format": "date", "default": 3, "x-mine": 1}, ["soon"], [1]),
}  # fmt: skip
DEFS = {"s": {"type": "string", "maxLength": 2}, "a/b c": {"type": "integer"}, "r": {"anyOf": [{"$ref": "#/$defs/r"}]}}


@pytest.mark.parametrize("case", CASES)
def test_valid_values_can_be_written_and_invalid_ones_cannot(case, vocabulary):
    schema, valid, invalid = CASES[case]
    scaffold = compile_value(schema, vocabulary, **{"$defs": DEFS})
    assert [value for value in valid if not expressible(scaffold, {"a": value})] == []
    assert [value for value in invalid if expressible(scaffold, {"a": value})] == []


@pytest.mark.parametrize("case", [name for name in CASES if not name.startswith("type from")])
def test_the_tables_valid_and_invalid_values_are_those_of_jsonschema(case):
    schema, valid, invalid = CASES[case]
    root = {"properties": {"a": schema}, "$defs": DEFS}
    check = jsonschema.Draft202012Validator(root)
    assert all(check.is_valid({"a": value}) for value in valid)
    closed = [value for value in invalid if value not in ({"x": 1, "z": 2},)]  # declared members only, by our choice
    assert not any(check.is_valid({"a": value}) for value in closed)


REFUSED = {
    "pattern": ({"type": "string", "pattern": "^a"}, "pattern", "not supported for strings; supported are enum"),
    "multipleOf": ({"type": "number", "multipleOf": 0.5}, "multipleOf", "not supported for numbers"),
    "uniqueItems": ({"type": "array", "uniqueItems": True}, "uniqueItems", "not supported for arrays"),
    "prefixItems": ({"type": "array", "prefixItems": [{}]}, "prefixItems", "not supported for arrays"),
    "contains": ({"type": "array", "contains": {"const": 1}}, "contains", "not supported for arrays"),
    "contains anything": ({"type": "array", "contains": {}}, "contains", "not supported for arrays"),
    "contains nothing": ({"type": "array", "contains": False}, "contains", "not supported for arrays"),
    "unevaluatedItems": ({"type": "array", "unevaluatedItems": False}, "unevaluatedItems", "not supported for arrays"),
    "patternProperties": ({**OBJECT, "patternProperties": {"k": {}}}, "patternProperties", "not supported"),
    "propertyNames": ({"type": "object", "propertyNames": {"maxLength": 1}}, "propertyNames", "not supported"),
    "no property names": ({"type": "object", "propertyNames": False}, "propertyNames", "not supported for objects"),
    "dependentRequired": ({**OBJECT, "dependentRequired": {"y": ["z"]}}, "dependentRequired", "not supported"),
    "dependentSchemas": ({**OBJECT, "dependentSchemas": {"y": False}}, "dependentSchemas", "not supported"),
    "minProperties": ({**OBJECT, "minProperties": 2}, "minProperties", "not supported for objects"),
    "maxProperties": ({**OBJECT, "maxProperties": 1}, "maxProperties", "not supported for objects"),
    "maxProperties of a map": ({"type": "object", "maxProperties": 0}, "maxProperties", "not supported for objects"),
    "not": ({"type": "string", "not": {"const": "a"}}, "not", "not supported here"),
    "not of an object": ({**OBJECT, "not": {"required": ["y"]}}, "not", "not supported here"),
    "not of an array": ({**OBJECTS, "not": {"maxItems": 1}}, "not", "not supported here"),
    "if": ({"if": {"const": 1}, "then": {"minimum": 3}}, "if", "not supported here"),
    "if false": ({"type": "integer", "if": False, "else": False}, "if", "not supported here"),
    "remote $ref": ({"$ref": "other.json#/a"}, "$ref", "only local references"),
    "$ref to an anchor": ({"$ref": "#anchor"}, "$ref", "only local references"),
    "missing $ref": ({"$ref": "#/$defs/none"}, "$ref", "'#/\\$defs/none' does not exist"),
    "recursive $ref": ({"$ref": "#/$defs/r"}, "$ref", "recursive schemas are not supported"),
    "recursion through the root": ({"type": "array", "items": {"$ref": "#"}}, "$ref", "recursive schemas"),
    "allOf of two": ({"allOf": [{"minimum": 1}, {"maximum": 3}]}, "allOf", "merge them into one"),
    "conflicting allOf": ({"allOf": [{"type": "string"}], "type": "null"}, "allOf", "restricted both here"),
    "oneOf of a type": ({"oneOf": [{"minLength": 3, "type": "string"}, {"type": "string"}]}, "oneOf", "share a type"),
    "oneOf of numbers": ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "oneOf", "cannot be told apart"),
    "oneOf without types": ({"oneOf": [{"minLength": 3}, {"type": "integer"}]}, "oneOf", "cannot be told apart"),
    "oneOf equal values": ({"oneOf": [{"const": 1}, {"enum": [1.0, 2]}]}, "oneOf", "cannot be told apart"),
    "several objects": ({"anyOf": [OBJECT, {**OBJECT, "required": ["y"]}]}, "anyOf", "between several objects"),
    "object or objects": ({"anyOf": [OBJECT, OBJECTS]}, "anyOf", "between several objects or arrays of objects"),
    "map of objects": ({"additionalProperties": OBJECT}, "additionalProperties", "values are objects"),
    "closed across $ref": ({"$ref": "#/$defs/o", "additionalProperties": False}, "$ref", "does not allow 'x'"),
    "required, not declared": ({**OBJECT, "required": ["z"], "additionalProperties": False}, "required", "'z' is"),
    "minimum above maximum": ({"type": "integer", "minimum": 5, "maximum": 4}, "maximum", "no value that can"),
    "no integer between": ({"type": "integer", "minimum": 0.1, "maximum": 0.9}, "maximum", "between 1 and 0"),
    "minLength above maxLength": ({"type": "string", "minLength": 3, "maxLength": 2}, "maxLength", "exceeds"),
    "minLength beyond sense": ({"type": "string", "minLength": 10**9}, "minLength", "at most 4096"),
    "minItems above maxItems": ({"type": "array", "minItems": 3, "maxItems": 2}, "maxItems", "exceeds"),
    "minItems beyond sense": ({"type": "array", "minItems": 10**9}, "minItems", "at most 4096"),
    "enum of none": ({"enum": ["a", "b"], "type": "integer"}, "enum", "no member satisfies"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_honoured_is_refused_by_tool_place_and_keyword(case, vocabulary):
    schema, keyword, message = REFUSED[case]
    with pytest.raises(SchemaError, match=message) as caught:
        compile_value(schema, vocabulary, **{"$defs": {**DEFS, "o": OBJECT}})
    assert (caught.value.tool, caught.value.keyword) == ("f", keyword)
    assert caught.value.path.startswith("$.properties.a") and caught.value.path.endswith(f".{keyword}")
    assert str(caught.value).startswith(f"tool 'f', {caught.value.path}: ")


def test_a_required_false_property_is_refused(vocabulary):
    with pytest.raises(SchemaError, match="`false` allows no value") as caught:
        compile_value(False, vocabulary)
    assert caught.value.path == "$.properties.a"


def test_errors_inside_arrays_of_objects_come_before_any_work(vocabulary):
    inner = {"type": "object", "properties": {"x": {"type": "string", "pattern": "a"}}}
    with pytest.raises(SchemaError, match="pattern") as caught:
        compile_value({"type": "array", "items": inner}, vocabulary)
    assert caught.value.path == "$.properties.a.items.properties.x.pattern"


MALFORMED = {
    "unknown type": ({"properties": {"a": {"type": "dict"}}}, "$.properties.a.type", "type", "'dict'"),
    "properties of a list": ({"type": "object", "properties": []}, "$.properties", "properties", "not of type"),
    "negative minLength": ({"properties": {"a": {"minLength": -1}}}, "$.properties.a.minLength", "minLength", "-1"),
    "NaN": ({"properties": {"a": {"minimum": float("nan")}}}, "$", None, "cannot be written as JSON"),
    "infinity": ({"properties": {"a": {"enum": [float("inf")]}}}, "$", None, "cannot be written as JSON"),
    "lone surrogate": ({"properties": {"a": {"enum": ["\ud800"]}}}, "$", None, "cannot be written as JSON"),
    "no JSON value": ({"properties": {"a": {"default": {1, 2}}}}, "$", None, "cannot be written as JSON"),
    "not an object": ({"type": "string"}, "$.type", "type", "must describe an object, not string"),
    "a list": ([], "$", None, "must be a JSON Schema object, got list"),
    "old dialect": ({"$schema": "http://json-schema.org/draft-04/schema#"}, "$.$schema", "$schema", "draft 6"),
    "choice of objects": (
        {"properties": {"x": {}, "y": {}}, "anyOf": [{"required": ["x"]}, {"required": ["y"]}]}, "$.anyOf", "anyOf",
        "one object",
    ),
    "constant": ({"type": "object", "const": {}}, "$.const", "const", "one object"),
    "not": ({**OBJECT, "not": {"required": ["y"]}}, "$.not", "not", "not supported here"),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_parameters_are_refused(case, vocabulary):
    parameters, path, keyword, message = MALFORMED[case]
    with pytest.raises(SchemaError, match=message) as caught:
        compile_tool({"name": "f", "parameters": parameters}, vocabulary)
    assert (caught.value.tool, caught.value.path, caught.value.keyword) == ("f", path, keyword)


@pytest.mark.parametrize("parameters", [None, {}, {"type": "object"}, {"type": "object", "properties": {}}])
def test_a_tool_without_parameters_is_called_with_none(parameters, vocabulary):
    scaffold = Scaffold([compile_tool({"name": "f", "parameters": parameters}, vocabulary)], vocabulary)
    assert expressible(scaffold, {})


@pytest.mark.parametrize(
    "root", [{"$ref": "#/$defs/o"}, {**OBJECT, "type": ["object", "null"]}, {"anyOf": [OBJECT, {"type": "null"}]}]
)
def test_parameters_may_be_an_object_in_other_words(root, vocabulary):
    tool = compile_tool({"name": "f", "parameters": {**root, "$defs": {"o": OBJECT}}}, vocabulary)
    assert expressible(Scaffold([tool], vocabulary), {"x": 1})
    assert not expressible(Scaffold([tool], vocabulary), {})


def nested(levels: int, wrap) -> dict:
    schema: dict = {"type": "string"}
    for _ in range(levels):
        schema = wrap(schema)
    return schema


WRAPS = {
    "objects": lambda inner: {"type": "object", "properties": {"a": inner}, "required": ["a"]},
    "arrays": lambda inner: {"type": "array", "items": inner},
    "arrays of objects": lambda inner: {"type": "array", "items": {"type": "object", "properties": {"a": inner}}},
    "maps": lambda inner: {"type": "object", "additionalProperties": inner},
    "unions": lambda inner: {"anyOf": [inner, {"type": "null"}]},
}


@pytest.mark.parametrize("wrap", WRAPS)
def test_moderate_nesting_is_fine(wrap, vocabulary):
    assert compile_value(nested(12, WRAPS[wrap]), vocabulary).block().spans


@pytest.mark.parametrize("levels", [60, 200, 2000])
@pytest.mark.parametrize("wrap", WRAPS)
def test_deep_nesting_never_exhausts_the_stack(wrap, levels, vocabulary):
    if wrap == "unions" and levels == 60:
        assert compile_value(nested(levels, WRAPS[wrap]), vocabulary).block().spans
        return
    with pytest.raises(SchemaError, match="nested (too deeply|deeper)"):
        compile_value(nested(levels, WRAPS[wrap]), vocabulary)


def test_references_that_multiply_are_refused(vocabulary):
    defs = {"d0": {"type": "string"}}
    for at in range(1, 30):
        inner = {"$ref": f"#/$defs/d{at - 1}"}
        defs[f"d{at}"] = {"type": "object", "properties": {"a": inner, "b": inner}}
    with pytest.raises(SchemaError, match="more than 100000 schemas"):
        compile_value({"$ref": "#/$defs/d29"}, vocabulary, **{"$defs": defs})


BIG = {
    "properties": {"type": "object", "properties": {f"p{at}": {"type": "string"} for at in range(1000)}},
    "enum": {"enum": [f"member {at}" for at in range(10_000)]},
    "optional objects": {"type": "object", "properties": {f"p{at}": OBJECT for at in range(60)}},
    "long string": {"type": "string", "minLength": 900, "maxLength": 1000},
    "many objects": {"type": "array", "items": OBJECT, "minItems": 300},
}


@pytest.mark.parametrize("case", BIG)
def test_large_schemas_compile_within_seconds(case, vocabulary):
    start = time.perf_counter()
    scaffold = compile_value(BIG[case], vocabulary)
    scaffold.block()
    assert sum(1 for _ in continuations(scaffold.chain)) <= 1001
    assert time.perf_counter() - start < 10
