"""JSON Schema keywords: honoured by the languages, or refused by name and place."""

import itertools
import json
import random
import re
import time
from pathlib import Path

import jsonschema
import pytest
from conftest import make_tokenizer

from lafunc.compiling_lafunc import compile_tool
from lafunc.node_lafunc import Slot, continuations
from lafunc.pattern_lafunc import FORMATS, Text, characters
from lafunc.scaffolding_lafunc import Scaffold
from lafunc.schema_lafunc import REFUSED as NEVER
from lafunc.schema_lafunc import SUPPORTED
from lafunc.validation_lafunc import SchemaError, validator
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
OPEN = {**OBJECT, "properties": {**OBJECT["properties"], "z": {"type": "integer"}}}
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
        {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
        [[], [[]], [[1], [2, 3]]],
        [[1]],
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
        {"type": "object", "required": ["k"], "additionalProperties": {"type": "null"}},
        [{"k": None}],
        [{"k": 1}, {}],
    ),
    "map": ({"type": "object", "additionalProperties": {"type": "integer"}}, [{}, {"a": 1, "é b": 2}], [{"a": "1"}]),
    "closed map": ({"type": "object", "additionalProperties": False}, [{}], [{"a": 1}]),
    "unevaluatedProperties": ({"type": "object", "unevaluatedProperties": False}, [{}], [{"a": 1}]),
    "false property": ({**OBJECT, "properties": {"x": {}, "y": False}}, [{"x": 1}], [{"x": 1, "y": "b"}]),
    "nullable object": ({**OBJECT, "type": ["object", "null"]}, [None, {"x": 1}], [{}, 1]),
    "anyOf": ({"anyOf": [{"type": "integer", "minimum": 3}, {"type": "string"}]}, [3, "x"], [2, None]),
    "anyOf beside keywords": ({"maxLength": 1, "anyOf": [{"type": "string"}, {"type": "null"}]}, ["a", None], ["ab"]),
    "anyOf with an object": ({"anyOf": [{"type": "string"}, OBJECT]}, ["s", {"x": 1}], [{}, 1]),
    "deep anyOf of arrays": (
        {
            "type": "array",
            "items": {
                "type": "array",
                "items": {"type": "array", "items": {"anyOf": [{"type": "array", "items": {"type": "integer"}}]}},
            },
        },
        [[[[[1]]]], []],
        [[[[1]]]],
    ),
    "arrays and maps deep in a slot": (
        {"additionalProperties": {"additionalProperties": {"items": {"type": ["array", "null"], "items": OBJECT}}}},
        [{"k": {"k": [[{"x": 1}], None]}}],
        [{"k": {"k": [[{"x": "1"}]]}}],
    ),
    "any value deep in a slot": (
        {"additionalProperties": {"properties": {"p": {"type": ["object", "null"]}, "q": {}}}},
        [{"k": {"p": {"a": [1]}, "q": [{"a": 1}]}}, {"k": {"p": None}}],
        [{"k": {"p": [1]}}],
    ),
    "a negation beside what declares the member": (
        {**OPEN, "allOf": [{"required": ["x"], "not": {"required": ["z"]}}]},
        [{"x": 1, "y": ""}],
        [{"x": 1, "z": 1}],
    ),
    "a negation in one branch": (
        {**OPEN, "required": [], "oneOf": [{"required": ["x", "z"]}, {"required": ["y"], "not": {"required": ["z"]}}]},
        [{"x": 1, "z": 2}, {"y": ""}, {"x": 1, "y": "", "z": 2}],
        [{"y": "", "z": 2}, {"x": 1}],
    ),
    "a negation in a negation": (
        {"type": "object", "not": {"type": "object", "not": {"properties": {"x": {"type": "number", "maximum": 3}}}}},
        [{"x": 1}],
        [{"x": 5}, {"x": "s"}],
    ),
    "a negated count": (
        {
            **OPEN,
            "required": [],
            "not": {"required": ["x"], "not": {"properties": {"w": {"const": 1}}, "minProperties": 4}},
        },
        [{"y": "", "z": 1}],
        [{"x": 1, "y": "", "z": 1, "w": 2}, {"x": 1, "y": "", "z": 1}],
    ),
    "a dependency beside what declares the member": (
        {**OPEN, "allOf": [{"required": ["x"], "dependentRequired": {"z": ["y"]}}]},
        [{"x": 1}, {"x": 1, "y": "", "z": 2}],
        [{"x": 1, "z": 2}],
    ),
    "unevaluatedProperties beside an idle if": (
        {"properties": {"x": {}}, "unevaluatedProperties": False, "if": {"required": ["y"]}},
        [{"x": 1}],
        [{"y": 1}],
    ),
    "unevaluatedProperties and a negation": (
        {
            "properties": {"x": {"enum": ["a", "b"]}},
            "unevaluatedProperties": False,
            "not": {"properties": {"x": {"const": "a"}, "y": {"maximum": 1}}},
        },
        [{"x": "b"}],
        [{"y": 2}, {"x": "a"}, {"x": "a", "y": 2}],
    ),
    "oneOf": ({"oneOf": [{"type": "integer"}, {"type": "null"}]}, [1, None], ["x", 1.5]),
    "oneOf constants": ({"oneOf": [{"const": "a", "title": "A"}, {"const": "b"}]}, ["a", "b"], ["c"]),
    "allOf of one": ({"allOf": [{"type": "string"}], "maxLength": 1, "description": "d"}, ["a"], ["ab", 1]),
    "allOf of true": ({"type": "integer", "allOf": [True]}, [1], ["a"]),
    "$ref": ({"$ref": "#/$defs/s"}, ["a", "ab"], ["abc", 1]),
    "$ref beside keywords": ({"$ref": "#/$defs/s", "minLength": 2}, ["ab"], ["a", "abc"]),
    "$ref with escapes": ({"$ref": "#/$defs/a~1b%20c"}, [1], ["a"]),
    "not, without effect": ({"type": "integer", "not": False}, [1], ["a"]),
    "a format that is an annotation": ({"type": "string", "format": "colour", "x-mine": 1}, ["soon"], [1]),
    "pattern": ({"type": "string", "pattern": "^a+$"}, ["a", "aaa"], ["", "ab", "ba"]),
    "pattern found anywhere": ({"type": "string", "pattern": "[0-9]{2}"}, ["x12y", "12"], ["1", "1a2"]),
    "pattern of all kinds": (
        {"pattern": r'^(?:"|\\|\n|é|😀|[^\x00-\x7f])?$'},
        ['"', "\\", "\n", "é", "😀", ""],
        ["a", '""'],
    ),
    "pattern that looks ahead": ({"pattern": "^(?!ab)(?=.*1)[a-z0-9]+$"}, ["b1", "a1"], ["ab1", "aa"]),
    "pattern and lengths": (
        {"pattern": "^a*b?$", "minLength": 2, "maxLength": 3},
        ["ab", "aaa"],
        ["b", "aaaa", "aaab"],
    ),
    "patterns across allOf": (
        {"allOf": [{"pattern": "a"}, {"pattern": "b"}], "type": "string"},
        ["ab", "xbya"],
        ["a", "b"],
    ),
    "multipleOf": ({"type": "integer", "multipleOf": 3, "minimum": -4}, [0, 3, -3, 300], [1, -6, 4]),
    "multipleOf of a number": ({"type": "number", "multipleOf": 7}, [0, 14, -7], [1, 3.5]),
    "multipleOf of a half": ({"type": "number", "multipleOf": 0.25, "maximum": 2}, [0.25, 1.5, 2, -1.75], [0.3, 2.25]),
    "uniqueItems of an enum": (
        {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True, "minItems": 2},
        [["b", "a"], ["c", "a", "b"]],
        [["a"], ["a", "a"], []],
    ),
    "prefixItems": (
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
        [[], ["a"], ["a", 1]],
        [[1], ["a", "b"], ["a", 1, 2]],
    ),
    "prefixItems and items": (
        {"prefixItems": [{"type": "null"}], "items": {"type": "integer"}, "minItems": 2, "maxItems": 3},
        [[None, 1], [None, 1, 2]],
        [[None], [None, 1, 2, 3], [1, 2]],
    ),
    "unevaluatedItems": (
        {"type": "array", "prefixItems": [{"const": 1}], "unevaluatedItems": False},
        [[], [1]],
        [[1, 1], [2]],
    ),
    "patternProperties": (
        {
            "type": "object",
            "patternProperties": {"^a": {"type": "integer"}, "b$": {"maximum": 3}},
            "additionalProperties": False,
        },
        [{}, {"a": 5}, {"ab": 2, "xb": 1}],
        [{"ab": 5}, {"x": 1}, {"a": "s"}],
    ),
    "patternProperties beside properties": (
        {"properties": {"a1": {"maximum": 9}}, "patternProperties": {"^a": {"type": "integer"}}},
        [{"a1": 3, "a2": 10}, {"a2": 1}],
        [{"a1": 10}, {"a1": "s"}, {"a2": "s"}],
    ),
    "additionalProperties beside properties": (
        {"properties": {"n": {"type": "string"}}, "additionalProperties": {"type": "integer"}},
        [{"n": "s", "m": 1}, {"m": 2}],
        [{"n": 1}, {"m": "s"}],
    ),
    "propertyNames": ({"type": "object", "propertyNames": {"maxLength": 2}}, [{"ab": 1}, {}], [{"abc": 1}]),
    "propertyNames of an enum": (
        {"additionalProperties": {"type": "null"}, "propertyNames": {"enum": ["a", "b.c"]}},
        [{"b.c": None}, {}],
        [{"bxc": None}],
    ),
    "dependentRequired": (
        {**OPEN, "dependentRequired": {"y": ["z"]}},
        [{"x": 1}, {"x": 1, "y": "", "z": 2}],
        [{"x": 1, "y": ""}],
    ),
    "dependentSchemas": ({**OPEN, "dependentSchemas": {"y": False}}, [{"x": 1, "z": 3}], [{"x": 1, "y": "b"}]),
    "minProperties": ({**OBJECT, "minProperties": 2}, [{"x": 1, "y": "b"}], [{"x": 1}]),
    "minProperties of a map": ({"type": "object", "minProperties": 1}, [{"a": 1}], [{}]),
    "maxProperties": ({**OPEN, "maxProperties": 2}, [{"x": 1, "z": 2}], [{"x": 1, "y": "", "z": 2}]),
    "not a value": ({"type": "string", "not": {"const": "a"}}, ["b", "aa", ""], ["a"]),
    "not a type": ({"type": ["string", "null", "integer"], "not": {"type": "null"}}, ["b", 3], [None]),
    "not a pattern": ({"type": "string", "not": {"pattern": "^a"}}, ["b", ""], ["a", "ab"]),
    "not a member": ({**OPEN, "not": {"required": ["y"]}}, [{"x": 1}, {"x": 1, "z": 2}], [{"x": 1, "y": "s"}]),
    "not so many": ({**OBJECTS, "not": {"maxItems": 1}}, [[{"x": 1}, {"x": 2}]], [[{"x": 1}]]),
    "if": (
        {
            "type": "object",
            "properties": {"k": {"enum": ["a", "b"]}, "n": {"type": "integer"}},
            "required": ["k"],
            "if": {"properties": {"k": {"const": "a"}}},
            "then": {"required": ["n"]},
            "else": {"properties": {"n": False}},
        },
        [{"k": "a", "n": 1}, {"k": "b"}],
        [{"k": "a"}, {"k": "b", "n": 1}],
    ),
    "recursion": (
        {"$ref": "#/$defs/tree"},
        [{"v": 1}, {"v": 1, "kids": [{"v": 2, "kids": []}, {"v": 3}]}],
        [{}, {"v": 1, "kids": [{}]}],
    ),
    "allOf of two": ({"type": "integer", "allOf": [{"minimum": 1}, {"maximum": 3}]}, [1, 3], [0, 4]),
    "allOf of objects": (
        {"allOf": [OBJECT, {"properties": {"z": {"type": "null"}}, "required": ["z"]}]},
        [{"x": 1, "z": None}],
        [{"x": 1}],
    ),
    "oneOf of a type": (
        {"oneOf": [{"minLength": 3, "type": "string"}, {"type": "string", "maxLength": 4}]},
        ["ab", "abcde"],
        ["abc"],
    ),
    "oneOf of equal values": ({"oneOf": [{"const": 1}, {"enum": [1.0, 2]}]}, [2], [1]),
    "oneOf of required members": (
        {
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        },
        [{"a": 1}, {"b": 1}],
        [{}, {"a": 1, "b": 1}],
    ),
    "several objects": (
        {"anyOf": [OBJECT, {**OBJECT, "required": ["y"]}]},
        [{"x": 1}, {"y": "s"}, {"x": 1, "y": "s"}],
        [{}, {"y": 1}],
    ),
    "object or objects": ({"anyOf": [OBJECT, OBJECTS]}, [{"x": 1}, [{"x": 1}]], [[], {}]),
    "map of objects": ({"additionalProperties": OBJECT}, [{}, {"k": {"x": 1}}], [{"k": {}}]),
    "closed across $ref": ({"$ref": "#/$defs/o", "unevaluatedProperties": False}, [{"x": 1}], [{}]),
    "$anchor": ({"$ref": "#here"}, [1], ["a"]),
    "date": ({"format": "date", "type": "string"}, ["2024-02-29", "1999-12-31"], ["2023-02-29", "soon", "2024-13-01"]),
    "time": ({"format": "time", "type": "string"}, ["23:59:59Z", "10:00:00.5+02:00"], ["24:00:00Z", "10:00"]),
    "date-time": (
        {"format": "date-time", "type": "string"},
        ["2024-02-29T10:00:00Z"],
        ["2024-02-29", "2024-02-29 10:00:00Z"],
    ),
    "email": ({"format": "email", "type": "string"}, ["a.b+c@example.com"], ["a", "a@", "@b.c", "a b@c.d"]),
    "hostname": ({"format": "hostname", "type": "string"}, ["a", "x-1.example.com"], ["-a", "a..b", "a_b"]),
    "ipv4": (
        {"format": "ipv4", "type": "string"},
        ["127.0.0.1", "255.255.255.255"],
        ["256.0.0.1", "1.2.3", "01.2.3.4"],
    ),
    "ipv6": ({"format": "ipv6", "type": "string"}, ["::1", "2001:db8::8a2e:370:7334", "::"], ["1", ":::", "12345::"]),
    "uri": ({"format": "uri", "type": "string"}, ["https://a.b/c?d=e#f", "mailto:a@b.c"], ["a b", "/x", "http://a b"]),
    "uuid": ({"format": "uuid", "type": "string"}, ["123e4567-e89b-12d3-a456-426614174000"], ["123e4567", ""]),
}
FORMAT_CHECKER = jsonschema.FormatChecker(formats=())
for name in FORMATS:
    FORMAT_CHECKER.checks(name)(lambda value, name=name: characters(Text(formats=(name,))).matches(value))
DEFS = {"s": {"type": "string", "maxLength": 2}, "a/b c": {"type": "integer"}, "r": {"anyOf": [{"$ref": "#/$defs/r"}]}}
DEFS |= {
    "o": OBJECT,
    "i": {"type": "integer", "$anchor": "here"},
    "tree": {
        "type": "object",
        "properties": {"v": {"type": "integer"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
        "required": ["v"],
    },
    "forever": {"type": "object", "properties": {"again": {"$ref": "#/$defs/forever"}}, "required": ["again"]},
}


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
    check = jsonschema.Draft202012Validator(root, format_checker=FORMAT_CHECKER)
    assert all(check.is_valid({"a": value}) for value in valid)
    closed = [value for value in invalid if value not in ({"x": 1, "z": 2},)]  # declared members only, by our choice
    assert not any(check.is_valid({"a": value}) for value in closed)


REFUSED = {
    "contains": ({"type": "array", "contains": {"const": 1}}, "contains", "not supported for arrays"),
    "contains anything": ({"type": "array", "contains": {}}, "contains", "not supported for arrays"),
    "contains nothing": ({"type": "array", "contains": False}, "contains", "not supported for arrays"),
    "remote $ref": ({"$ref": "other.json#/a"}, "$ref", "only local references"),
    "$ref to an anchor": ({"$ref": "#anchor"}, "$ref", "only local references"),
    "missing $ref": ({"$ref": "#/$defs/none"}, "$ref", "'#/\\$defs/none' does not exist"),
    "required, not declared": ({**OBJECT, "required": ["z"], "additionalProperties": False}, "required", "'z' is"),
    "minimum above maximum": ({"type": "integer", "minimum": 5, "maximum": 4}, "maximum", "no value that can"),
    "no integer between": ({"type": "integer", "minimum": 0.1, "maximum": 0.9}, "maximum", "between 1 and 0"),
    "minLength above maxLength": ({"type": "string", "minLength": 3, "maxLength": 2}, "maxLength", "exceeds"),
    "minLength beyond sense": ({"type": "string", "minLength": 10**9}, "minLength", "at most 4096"),
    "minItems above maxItems": ({"type": "array", "minItems": 3, "maxItems": 2}, "maxItems", "exceeds"),
    "minItems beyond sense": ({"type": "array", "minItems": 10**9}, "minItems", "at most 4096"),
    "enum of none": ({"enum": ["a", "b"], "type": "integer"}, "enum", "no member satisfies"),
    "a divisor that is inexact in binary": (
        {"type": "number", "multipleOf": 0.01},
        "multipleOf",
        "not exact in binary",
    ),
    "a large divisor": ({"type": "integer", "multipleOf": 10**7}, "multipleOf", "only divisors up to"),
    "several different items": (
        {"type": "array", "uniqueItems": True, "minItems": 2, "items": {"type": "string"}},
        "uniqueItems",
        "say minItems 1",
    ),
    "a tuple without equal items": ({"prefixItems": [{}, {}], "uniqueItems": True}, "uniqueItems", "of tuples"),
    "several members of a map": ({"type": "object", "minProperties": 2}, "minProperties", "declare some"),
    "a back-reference": ({"type": "string", "pattern": r"(a)\1"}, "pattern", "a back-reference is not supported"),
    "looking behind": ({"type": "string", "pattern": "(?<=a)b"}, "pattern", "looking around inside is not supported"),
    "a word boundary": ({"type": "string", "pattern": r"\bb"}, "pattern", "at boundary is not supported"),
    "flags": ({"type": "string", "pattern": "(?i)a"}, "pattern", "flags are not supported"),
    "not an expression": ({"type": "string", "pattern": "("}, "pattern", "not an expression that Python can read"),
    "an expression that nothing matches": ({"type": "string", "pattern": "a^"}, "pattern", "no string satisfies it"),
    "an expression that repeats too much": (
        {"type": "string", "pattern": "((a{99}){99}){99}"},
        "pattern",
        "repeats too much",
    ),
    "an expression that explodes": ({"type": "string", "pattern": "(a|b)*a(a|b){30}$"}, "pattern", "too large"),
    "keys that cannot be followed": (
        {"type": "object", "patternProperties": {r"(a)\1": {}}},
        "patternProperties",
        "a back-reference",
    ),
    "no property names": (
        {**OBJECT, "propertyNames": {"maxLength": 0}},
        "propertyNames",
        "forbids 'x', which is required",
    ),
    "not of items": ({**OBJECTS, "not": {"items": {"required": ["y"]}}}, "not", "'items' cannot be negated"),
    "if about items": (
        {"type": "array", "if": {"items": {"type": "null"}}, "then": {"minItems": 1}},
        "if",
        "cannot be",
    ),
    "too many combinations": (
        {"allOf": [{"anyOf": [{"maxLength": n + 10 * m} for n in range(9)]} for m in range(3)]},
        "allOf",
        "combinations",
    ),
    "recursion without end": ({"$ref": "#/$defs/r"}, "$ref", "refers to itself without end"),
    "recursion in every value": ({"$ref": "#/$defs/forever"}, "$ref", "leads back to itself in every value"),
    "contradicting allOf": ({"allOf": [{"type": "string"}], "type": "null"}, "allOf", "no value satisfies"),
    "oneOf that tells nothing apart": ({"oneOf": [{"type": "string"}, {"type": "string"}]}, "oneOf", "no value"),
    "oneOf of numbers": ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "oneOf", "cannot be told apart"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_honoured_is_refused_by_tool_place_and_keyword(case, vocabulary):
    schema, keyword, message = REFUSED[case]
    with pytest.raises(SchemaError, match=message) as caught:
        compile_value(schema, vocabulary, **{"$defs": DEFS})
    assert (caught.value.tool, caught.value.keyword) == ("f", keyword)
    assert caught.value.path.startswith("$.properties.a") and caught.value.path.endswith(f".{keyword}")
    assert str(caught.value).startswith(f"tool 'f', {caught.value.path}: ")


def test_a_required_false_property_is_refused(vocabulary):
    with pytest.raises(SchemaError, match="`false` allows no value") as caught:
        compile_value(False, vocabulary)
    assert caught.value.path == "$.properties.a"


def test_errors_inside_arrays_of_objects_come_before_any_work(vocabulary):
    inner = {"type": "object", "properties": {"x": {"contains": {"const": 1}}}, "required": ["x"]}
    with pytest.raises(SchemaError, match="contains") as caught:
        compile_value({"type": "array", "items": inner}, vocabulary)
    assert caught.value.path == "$.properties.a.items.properties.x.contains"


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
    "old dialect": ({"$schema": "http://json-schema.org/draft-03/schema#"}, "$.$schema", "$schema", "draft 4"),
    "no value": ({"type": "object", "allOf": [False]}, "$", None, "no value satisfies the schema"),
}


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
    assert expressible(scaffold, {"x": 1}) is (parameters == {"type": "object"})  # which says nothing of members


def test_a_tool_without_parameters_may_ask_for_any(vocabulary):
    parameters = {"type": "object", "properties": {}, "additionalProperties": True}
    assert expressible(
        Scaffold([compile_tool({"name": "f", "parameters": parameters}, vocabulary)], vocabulary), {"x": 1}
    )


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
    if wrap == "unions" and levels <= 200:
        assert compile_value(nested(levels, WRAPS[wrap]), vocabulary).block().spans
        return
    with pytest.raises(SchemaError, match="nested (too deeply|deeper)|combinations"):
        compile_value(nested(levels, WRAPS[wrap]), vocabulary)


MEMBERS = ("a", "b", "c")
INSTANCES = [
    {name: value for name, value in zip((*MEMBERS, "d"), values, strict=True) if value}
    for values in itertools.product((None, 1, 5), repeat=4)
]


def some_schema(rng: random.Random, depth: int) -> dict:
    """Objects of few members, under conditions of all kinds."""
    leaves = [{"type": "integer"}, {"type": "integer", "maximum": 3}, {"const": 1}, {"enum": [1, 5]}, True]
    schema: dict = (
        {"properties": {n: rng.choice(leaves) for n in rng.sample(MEMBERS, 2)}} if rng.random() < 0.6 else {}
    )
    for key, chance, values in (
        ("type", 0.3, ["object"]),
        ("required", 0.4, [["a"], ["b"], ["b", "c"]]),
        ("additionalProperties", 0.15, [False, True, {"type": "integer"}]),
        ("unevaluatedProperties", 0.1, [False, {"type": "integer"}]),
        ("minProperties", 0.05, [1, 2, 3]),
        ("patternProperties", 0.05, [{"^[cd]": {"type": "integer"}}]),
        ("dependentRequired", 0.1, [{"a": ["c"]}, {"a": ["b"], "b": ["c"]}]),
    ):
        if rng.random() < chance:
            schema[key] = rng.choice(values)
    for key in (
        rng.sample(["allOf", "anyOf", "oneOf", "not", "if", "dependentSchemas"], rng.randint(1, 2)) if depth else ()
    ):
        inner = [some_schema(rng, depth - 1) for _ in range(3)]
        if key.endswith("Of"):
            schema[key] = inner[: rng.randint(1, 3)]
        elif key == "if":
            schema |= dict(zip(("if", "then", "else"), inner[: rng.randint(1, 3)], strict=False))
        else:
            schema[key] = inner[0] if key == "not" else {rng.choice(MEMBERS): inner[0]}
    return schema


def test_conditions_in_conditions_let_nothing_invalid_through(vocabulary):
    compiled = 0
    for seed in range(300):
        parameters = {"type": "object", **some_schema(random.Random(seed), 2)}
        try:
            scaffold = Scaffold([compile_tool({"name": "f", "parameters": parameters}, vocabulary)], vocabulary)
        except SchemaError:
            continue
        compiled += 1
        valid = validator(parameters).is_valid
        assert not [one for one in INSTANCES if not valid(one) and scaffold.accepts([one])], parameters
    assert compiled > 60


def test_schemas_that_refer_to_each_other_everywhere_are_read_once(vocabulary):
    inner = {"$ref": "#/$defs/s"}
    combined = {
        "allOf": [{"type": "object", "properties": {name: inner for name in "abcdefgh"}}, {"minProperties": 0}]
    }
    start = time.perf_counter()
    scaffold = compile_value(inner, vocabulary, **{"$defs": {"s": combined}})
    assert time.perf_counter() - start < 2 and scaffold.accepts([{"a": {"h": {"h": {"a": {}}}}}])


def test_references_that_multiply_are_refused(vocabulary):
    defs = {"d0": {"type": "string"}}
    for at in range(1, 30):
        inner = {"$ref": f"#/$defs/d{at - 1}"}
        defs[f"d{at}"] = {"type": "object", "properties": {"a": inner, "b": inner}}
    with pytest.raises(SchemaError, match="more than 30000 schemas"):
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


def test_the_page_on_json_schema_says_what_is_so(vocabulary):
    """Each keyword of the page is honoured by a case here, or refused by one; and none of ours is missing there."""
    page = (Path(__file__).parent.parent / "docs" / "json-schema.md").read_text(encoding="utf-8")
    told: dict[str, str] = {}
    for line in page.split("\n"):
        if line.startswith("| `"):
            _, names, verdict, *_ = line.split("|")
            told |= dict.fromkeys(re.findall(r"`([^`]+)`", names), verdict.strip())
    known = {keyword for keywords in SUPPORTED.values() for keyword in keywords}
    assert known - told.keys() == set() and {told[keyword] for keyword in known} == {"honoured"}
    refused = {keyword for keywords in NEVER.values() for keyword in keywords} - {"unevaluatedItems"}
    assert {keyword for keyword, verdict in told.items() if verdict == "refused"} == refused
    honoured = {key for schema, _, _ in CASES.values() if isinstance(schema, dict) for key in _keys(schema)}
    legacy = {
        "additionalItems",
        "dependencies",
        "$comment",
        "examples",
        "$dynamicRef",
        "$recursiveRef",
        "contains",
        "default",
    }
    assert told.keys() - honoured - legacy == set()
    formats = next(line for line in page.split("\n") if line.startswith("| `format`"))
    assert set(re.findall(r"`([^`]+)`", formats)) - {"format"} == set(FORMATS)


def _keys(value) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(_keys, value.values()))
    return set().union(*map(_keys, value)) if isinstance(value, list) else set()


LEGACY_CASES = {
    "draft 4": (
        {"minimum": 1, "exclusiveMinimum": True, "type": "integer"},
        [2],
        [1],
        "http://json-schema.org/draft-04/schema#",
    ),
    "tuple": (
        {"items": [{"type": "null"}], "additionalItems": False},
        [[], [None]],
        [[1], [None, None]],
        "http://json-schema.org/draft-07/schema#",
    ),
    "dependencies": (
        {
            "properties": {"x": {"type": "null"}, "y": {"type": "null"}},
            "dependencies": {"x": ["y"], "y": {"required": ["x"]}},
        },
        [{}, {"x": None, "y": None}],
        [{"x": None}, {"y": None}],
        "http://json-schema.org/draft-07/schema#",
    ),
    "$ref alone counts": (
        {"$ref": "#/definitions/s", "maxLength": 1},
        ["abc"],
        [1],
        "http://json-schema.org/draft-07/schema#",
    ),
}


@pytest.mark.parametrize("case", LEGACY_CASES)
def test_earlier_drafts(case, vocabulary):
    schema, valid, invalid, dialect = LEGACY_CASES[case]
    root = {"$schema": dialect, "definitions": {"s": {"type": "string"}}}
    scaffold = compile_value(schema, vocabulary, **root)
    check = validator({**root, "properties": {"a": schema}})
    assert all(check.is_valid({"a": value}) for value in valid) and not any(check.is_valid({"a": v}) for v in invalid)
    assert [value for value in valid if not scaffold.accepts([{"a": value}])] == []
    assert [value for value in invalid if scaffold.accepts([{"a": value}])] == []
