"""Values as source text, for parameters that are strings which hold a value of a programming language.

```python
>>> literal(["a", 1.5], "Java", "array", random.Random(0))
'new ArrayList<>(Arrays.asList("a", 1.5))'
```
"""

import json
import random
from collections.abc import Mapping
from typing import Any

from ..schema_lafunc import kind_of

TYPES: dict[str, dict[str, tuple[str, ...]]] = {  # of a language, what it calls the types of JSON Schema
    "Java": {
        "string": ("String",),
        "integer": ("int", "integer", "long"),
        "number": ("double", "float"),
        "boolean": ("boolean",),
        "array": ("ArrayList", "ArrayList", "Array", "List"),
        "object": ("HashMap", "HashMap", "Map"),
    },
    "JavaScript": {
        "string": ("String", "string"),
        "integer": ("integer", "Number"),
        "number": ("float", "Number"),
        "boolean": ("Boolean", "boolean"),
        "array": ("array", "Array"),
        "object": ("dict", "Object", "object"),
    },
    "Python": {
        "string": ("str",),
        "integer": ("int",),
        "number": ("float",),
        "boolean": ("bool",),
        "array": ("list",),
        "object": ("dict",),
    },
    "JSON": {kind: (kind,) for kind in ("string", "integer", "number", "boolean", "array", "object")},
}


_JAVA = {  # of elements, the type in arrays and in lists
    "string": ("String", "String"),
    "integer": ("int", "Integer"),
    "number": ("double", "Double"),
    "boolean": ("boolean", "Boolean"),
    "null": ("Object", "Object"),
}


def literal(value: Any, language: str, kind: str, chance: random.Random) -> str:
    """Source text of a value; a string is its own, without quotes. `kind`: what the language calls its type."""
    if isinstance(value, str):
        return value
    if language == "Java":
        return _java(value, kind, typed=chance.random() < 0.5)
    if language == "JSON":
        return json.dumps(value, ensure_ascii=False)
    return _braces(value, language, single=chance.random() < 0.6)


def _braces(value: Any, language: str, single: bool) -> str:
    """In JavaScript or Python. single: strings stand in single quotes where they can."""
    if isinstance(value, list):
        return f"[{', '.join(_braces(one, language, single) for one in value)}]"
    if isinstance(value, Mapping):
        pairs = (f"{_braces(str(k), language, single)}: {_braces(v, language, single)}" for k, v in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, bool) or value is None:
        words = {True: "true", False: "false", None: "null"}
        python = {True: "True", False: "False", None: "None"}
        return (python if language == "Python" else words)[value]
    text = json.dumps(value, ensure_ascii=False)
    plain = isinstance(value, str) and text == f'"{value}"' and "'" not in value
    return f"'{value}'" if single and plain else text


def _java(value: Any, kind: str, typed: bool) -> str:
    """In Java. typed: the elements' type stands between the angle brackets of a list."""
    if isinstance(value, list):
        elements = ", ".join(_java(one, "", typed) for one in value)
        kinds = {kind_of(one) for one in value}
        of = "number" if kinds == {"integer", "number"} else kinds.pop() if len(kinds) == 1 else "null"
        plain, boxed = _JAVA.get(of, _JAVA["null"])
        if kind == "Array":
            return f"new {plain}[]{{{elements}}}"
        return f"new ArrayList<{boxed if typed else ''}>(Arrays.asList({elements}))"
    if isinstance(value, Mapping):
        pairs = ((json.dumps(str(key), ensure_ascii=False), _java(one, "", typed)) for key, one in value.items())
        puts = " ".join(f"put({key}, {one});" for key, one in pairs)
        of = "String" if all(isinstance(one, str) for one in value.values()) else "Object"
        return f"new HashMap<String, {of}>() {{{{ {puts} }}}}"
    text = json.dumps(value, ensure_ascii=False)
    return text + {"long": "L", "float": "f"}.get(kind, "")
