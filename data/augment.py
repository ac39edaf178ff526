"""Rows from rows: tools shuffled, renamed and joined by others; negatives; rows with a value that nobody gives.

Each function takes a row, makes a new one and leaves the old one alone. Those that do not fit every row return None
where they do not. What they make has the row format whenever what they get has it.
"""

import copy
import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from .code import TYPES, literal
from .dialects import WORD, stands_in, words
from .rows import Row, calls_of, prompt_of

Tool = Mapping[str, Any]

# Words that say little about what a tool does.
COMMON = set(
    "get set find search list show check make create add update delete remove fetch retrieve return returns the a an "
    "of for to in on by with and or from is are all data info information details detail api based specific given "
    "user users using new current provided list lists this that it as be can your you my name id via any at "
    "tool function query request string number value type "
    "gets sets finds searches shows checks makes creates adds tells looks which who what when where how".split()
)
# Tools that could help with nearly any question, and so must not be offered where nothing is to fit.
BROAD = set(
    "search web internet google bing wikipedia wiki browse browser question questions answer answers knowledge fact "
    "facts trivia chat chatbot assistant gpt ai generate generates generator write writing text summarize summary "
    "translate calculate calculator calculates calculation math mathematical compute solve equation evaluate code "
    "research encyclopedia query wolfram science explain learn education tutor".split()
)
# Of these, those that say no more than how a tool works: beside one that is known to be right, others of this kind do
# something else.
SPECIAL = set(
    "generate generates generator write writing translate calculate calculator calculates calculation math "
    "mathematical compute education science".split()
)
CONNECTIVES = (
    "in at for from to on of by with named called titled about is are as the a an my using into around near within "
    "between under since until per like than over"
)
CLOSE = 20  # of so many other tools, the one with most of the same parameters is offered
NEAR = 300  # of so many, the one with most words of the request
LEAD = rf"(?:\b(?:{'|'.join(CONNECTIVES.split())})\s+){{0,2}}"


def shuffle_tools(row: Row, chance: random.Random) -> Row:
    tools = list(row["tools"])
    chance.shuffle(tools)
    return {**row, "tools": tools}


def trim_tools(row: Row, chance: random.Random, most: int, characters: int) -> Row:
    """Offer at most so many tools, and no more text of tools than that, as long as the called ones remain."""
    wanted = {name for message in row["messages"] for name in _called(message)}
    kept = [tool for tool in row["tools"] if tool["name"] in wanted]
    others = [tool for tool in row["tools"] if tool["name"] not in wanted]
    chance.shuffle(others)
    size = sum(len(json.dumps(tool)) for tool in kept)
    for tool in others:
        size += len(json.dumps(tool))
        if len(kept) >= most or size > characters:
            break
        kept.append(tool)
    order = {tool["name"]: at for at, tool in enumerate(row["tools"])}
    return {**row, "tools": sorted(kept, key=lambda tool: order[tool["name"]])}


def add_distractors(
    row: Row,
    pool: Sequence[Tool],
    count: int,
    chance: random.Random,
    called: Sequence[Tool] = (),
    near: bool = False,
) -> Row:
    """Offer up to so many tools of other rows that do something else than those `called`, at random places.

    Half of them have parameters of the same names, if there are such; if they are to be `near`, half of them share
    words with the request instead. In chat and think mode none may seem to help, unless they are to be near.
    """
    tools = list(row["tools"])
    names = {tool["name"] for tool in tools}
    called = called or [tool for tool in tools if tool["name"] in {name for name, _ in calls_of(row)}]
    wanted = {name for tool in called for name in _parameters(tool)}
    asked = stems(words(prompt_of(row)[-1]["content"]))
    for _ in range(8 * count):
        if count <= 0 or not pool:
            break
        some = chance.choices(pool, k=chance.choice((1, NEAR if near else CLOSE)))
        tool = max(some, key=lambda one: len(asked & stems(topic(one)) if near else wanted & _parameters(one)))
        if tool["name"] in names or any(alike(tool, other) for other in called):
            continue
        if row["mode"] != "tool" and not _unfit(tool, asked, near):
            continue
        tools.insert(chance.randint(0, len(tools)), tool)
        names.add(tool["name"])
        count -= 1
    return {**row, "tools": tools}


def remove_called(row: Row, pool: Sequence[Tool], chance: random.Random) -> Row | None:
    """A negative: the called tools and all that are alike are not offered, so that the answer is chat.

    Of ten such rows, one is offered tools that are near the request: the right tool is known, and they are unlike it.
    """
    called = [tool for tool in row["tools"] if tool["name"] in {name for name, _ in calls_of(row)}]
    if not called or any(message["role"] == "tool" for message in row["messages"]):
        return None
    tools = [
        tool for tool in row["tools"] if tool not in called and not any(alike(tool, other, 0.3) for other in called)
    ]
    asked = stems(words(prompt_of(row)[-1]["content"]))
    near = chance.random() < 0.1
    tools = [tool for tool in tools if _unfit(tool, asked, near)]
    negative = {**row, "messages": prompt_of(row), "tools": tools, "mode": "chat", "needs": []}
    negative = add_distractors(negative, pool, chance.randint(0 if tools else 1, 3), chance, called, near)
    return negative if negative["tools"] else None


def _unfit(tool: Tool, asked: set[str], near: bool) -> bool:
    """Whether a tool is of no help with what is asked: a specific one, about something else unless it may be near."""
    if near:
        return not (BROAD - SPECIAL) & topic(tool)
    return not BROAD & topic(tool) and not stems(topic(tool)) & asked


def join(row: Row, other: Row, chance: random.Random) -> Row | None:
    """One request for what two ask: the calls of both, in their order.

    None unless both are one message that is answered by calls with nothing missing, all calls differ, and the called
    tools are the same one, or unlike each other and all that the other row offers.
    """
    if any(len(one["messages"]) != 2 or not calls_of(one) or one["needs"] for one in (row, other)):
        return None
    first, second = ({name for name, _ in calls_of(one)} for one in (row, other))
    tools = {tool["name"]: tool for tool in row["tools"]}
    for tool in other["tools"]:
        if tools.setdefault(tool["name"], tool) != tool:
            return None
    if any(call in calls_of(row) for call in calls_of(other)):
        return None
    if any(one != two and alike(tools[one], tools[two]) for one in first for two in second):
        return None
    if any(
        alike(tool, tools[name], 0.5)
        for names, one in ((first, other), (second, row))
        for name in names
        for tool in one["tools"]
        if tool["name"] not in first | second
    ):
        return None
    texts = [prompt_of(one)[0]["content"].strip() for one in (row, other)]
    if sum(map(len, texts)) > 800 or "\n" in "".join(texts):
        return None
    if texts[0][-1] in ".?!":
        links = (" ", " Also, ", " Then ", " After that, ", " And ")
    else:
        links = (", and ", " and then ", ". Also, ", ". ", "; ")
    text = chance.choice(links).join(texts)
    calls = row["messages"][1]["tool_calls"] + other["messages"][1]["tool_calls"]
    messages = [{"role": "user", "content": text}, {**row["messages"][1], "tool_calls": calls}]
    return {**row, "messages": messages, "tools": list(tools.values())}


def _parameters(tool: Tool) -> set[str]:
    return set(tool["parameters"].get("properties", {}))


def topic(tool: Tool) -> set[str]:
    """The telling words of a tool's name and description."""
    return _telling(tool["name"], tool["description"])


@lru_cache(10_000)
def _telling(name: str, description: str) -> set[str]:
    return set(words(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name) + " " + description)) - COMMON


def stems(of: Sequence[str] | set[str]) -> set[str]:
    """The first five letters of words of at least four, so that `flight` meets `flights`."""
    return {word[:5] for word in of if len(word) >= 4 and word not in COMMON}


def alike(one: Tool, other: Tool, share: float = 0.25) -> bool:
    """Whether two tools may do the same: a telling word of both names, or this share of those of all their text."""
    names = [
        stems(words(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", tool["name"]).replace("_", " "))) for tool in (one, other)
    ]
    if names[0] & names[1]:
        return True
    first, second = stems(topic(one)), stems(topic(other))
    return len(first & second) > share * max(1, min(len(first), len(second)))


# ------------------------------------------------------------------------------------------------ names


def rename_tools(row: Row, chance: random.Random) -> Row:
    """All tools in another style, or by names that say nothing, so that the descriptions must be read."""
    opaque = chance.random() < 0.5
    style = chance.choice(STYLES)
    new: dict[str, str] = {}
    for tool in row["tools"]:
        name = style(_parts(tool["name"]))
        if opaque and len(words(tool["description"])) >= 3:
            name = _opaque(chance, ("tool", "function", "func", "fn", "action", "api", "op"))
        if not name or name in new.values() or name in {other["name"] for other in row["tools"]}:
            name = tool["name"]
        new[tool["name"]] = name
    tools = [{**tool, "name": new[tool["name"]]} for tool in row["tools"]]
    return {**row, "tools": tools, "messages": _map_calls(row, lambda name, given: (new.get(name, name), given))}


def rename_parameters(row: Row, chance: random.Random) -> Row:
    """All parameters in another style, or by names that say nothing; each then has a description."""
    opaque = chance.random() < 0.5
    style = chance.choice(STYLES)
    stem = chance.choice(("arg", "param", "p", "field", "input", "x", "value"))
    new: dict[str, dict[str, str]] = {}
    tools = []
    for tool in row["tools"]:
        parameters = copy.deepcopy(tool["parameters"])
        properties = parameters.get("properties", {})
        names: dict[str, str] = {}
        for at, (name, schema) in enumerate(properties.items()):
            other = f"{stem}{at + 1}" if opaque else style(_parts(name))
            if not other or other in names.values() or (other != name and other in properties):
                other = name
            if opaque and other != name and not schema.get("description"):
                schema["description"] = " ".join(_parts(name)).capitalize()
            names[name] = other
        parameters["properties"] = {names[name]: schema for name, schema in properties.items()}
        if "required" in parameters:
            parameters["required"] = [names.get(name, name) for name in parameters["required"]]
        new[tool["name"]] = names
        mentioned = {name: other for name, other in names.items() if re.search(r"_|[a-z][A-Z]", name)}
        tools.append({**_replace(tool, mentioned), "parameters": _replace(parameters, mentioned)})

    def renamed(name: str, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        return name, {new.get(name, {}).get(key, key): value for key, value in given.items()}

    calls = calls_of(row)
    needs = [[at, new[calls[at][0]].get(name, name)] for at, name in row["needs"]]
    return {**row, "tools": tools, "messages": _map_calls(row, renamed), "needs": needs}


def _replace(value: Any, names: Mapping[str, str]) -> Any:
    """Names in the descriptions of a tool; those of the keys are left alone."""
    if not names or not isinstance(value, Mapping):
        return value
    made = {}
    for key, one in value.items():
        if key == "description" and isinstance(one, str):
            pattern = r"\b(" + "|".join(map(re.escape, names)) + r")\b"
            made[key] = re.sub(pattern, lambda match: names[match[0]], one)
        else:
            made[key] = _replace(one, names)
    return made


def _parts(name: str) -> list[str]:
    return [part.lower() for part in WORD.findall(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " "))]


def _camel(parts: Sequence[str]) -> str:
    return "".join(part if not at else part.capitalize() for at, part in enumerate(parts))


STYLES: tuple[Callable[[Sequence[str]], str], ...] = (
    "_".join,
    _camel,
    lambda parts: "".join(part.capitalize() for part in parts),
    lambda parts: "-".join(parts),
)


def _opaque(chance: random.Random, stems: Sequence[str]) -> str:
    return f"{chance.choice(stems)}_{chance.choice(('', chance.choice('abcdefgh')))}{chance.randint(1, 99)}"


def _called(message: Mapping[str, Any]) -> list[str]:
    return [call["function"]["name"] for call in message.get("tool_calls") or ()]


def _map_calls(row: Row, change: Callable[[str, Mapping], tuple[str, Mapping]]) -> list[dict[str, Any]]:
    """The messages with every call changed, those of the history too."""
    messages = []
    for message in row["messages"]:
        if message.get("tool_calls"):
            calls = [change(one["function"]["name"], one["function"]["arguments"]) for one in message["tool_calls"]]
            made = [{"type": "function", "function": {"name": n, "arguments": dict(a)}} for n, a in calls]
            message = {**message, "tool_calls": made}
        messages.append(message)
    return messages


# ------------------------------------------------------------------------------------------------ values


def drop_optional(row: Row, chance: random.Random) -> Row:
    """About half of the optional parameters do not exist, nor do their values in any call."""
    gone: dict[str, set[str]] = {}
    tools = []
    for tool in row["tools"]:
        parameters = tool["parameters"]
        required = parameters.get("required", ())
        properties = parameters.get("properties", {})
        gone[tool["name"]] = {name for name in properties if name not in required and chance.random() < 0.5}
        kept = {name: schema for name, schema in properties.items() if name not in gone[tool["name"]]}
        tools.append({**tool, "parameters": {**parameters, "properties": kept}})

    def reduced(name: str, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        return name, {key: value for key, value in given.items() if key not in gone.get(name, ())}

    return {**row, "tools": tools, "messages": _map_calls(row, reduced)}


HINTS = (  # how a description says so; the first is that of the function-calling leaderboards
    " This is {language} {kind} type parameter in string representation.",
    " This is a {language} {kind} in string representation.",
    " A string that holds a {language} {kind}.",
    " As source text of a {language} {kind}.",
    " ({language} {kind}, written as a string)",
    " Pass a {language} {kind} literal as text.",
)
SYNTAX = (
    " Note that the provided function is in {} syntax.",
    " This function is written in {}.",
    " ({} function; values are source text.)",
    "",
)


def source_text(row: Row, chance: random.Random) -> Row:
    """Parameters become strings that hold source text of a programming language, as their descriptions then say: all
    of them, or lists and objects only. Bounds and members that the schema gave are gone.
    """
    language = chance.choices((*TYPES,), (35, 35, 10, 20))[0]
    hint, syntax = chance.choice((HINTS[0], *HINTS)), chance.choice(SYNTAX if language != "JSON" else SYNTAX[-1:])
    compound = language == "JSON" or chance.random() < 0.2
    kinds: dict[str, dict[str, str]] = {}  # of each tool's parameters, what the language calls their types
    tools = []
    for tool in row["tools"]:
        parameters = copy.deepcopy(tool["parameters"])
        names = kinds[tool["name"]] = {}
        plain = parameters.keys() <= {"type", "properties", "required", "additionalProperties", "title", "description"}
        for name, schema in parameters.get("properties", {}).items() if plain else ():
            kind = str(schema.get("type")) if isinstance(schema, Mapping) else ""
            if kind not in TYPES[language] or "enum" in schema or compound and kind not in ("array", "object"):
                continue
            names[name] = chance.choice(TYPES[language][kind])
            said = schema.get("description") or " ".join(_parts(name)).capitalize()
            text = f"{said}{'' if said[-1:] in '.!?' else '.'}{hint.format(language=language, kind=names[name])}"
            items = schema.get("items")
            of = str(items.get("type")) if isinstance(items, Mapping) else ""
            if kind == "array" and of in TYPES[language] and hint == HINTS[0]:
                text += (
                    f" The list elements are of type {TYPES[language][of][0]}; they are not in string representation."
                )
            parameters["properties"][name] = {"type": "string", "description": text}
        about = tool["description"]
        if names and about:
            about += syntax.format(language)
        tools.append({**tool, "description": about, "parameters": parameters})

    def written(name: str, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        known = kinds.get(name, {})
        return name, {
            key: literal(one, language, known[key], chance) if key in known else one for key, one in given.items()
        }

    return {**row, "tools": tools, "messages": _map_calls(row, written)}


def delete_value(row: Row, chance: random.Random) -> Row | None:
    """Take a required value out of the request, with the words that lead to it; the label says that it is needed.

    None unless there is one call with a required text or number that the last message says once, and nothing else
    says, and the request is still one without it.
    """
    calls = calls_of(row)
    if len(calls) != 1 or prompt_of(row)[-1]["role"] != "user":
        return None
    (name, arguments) = calls[0]
    tool = next(tool for tool in row["tools"] if tool["name"] == name)
    *before, last = prompt_of(row)
    text = last["content"]
    required = [key for key in tool["parameters"].get("required", ()) if key in arguments]
    chance.shuffle(required)
    for key in required:
        schema, value = tool["parameters"]["properties"][key], arguments[key]
        if isinstance(value, bool) or not isinstance(value, str | int | float) or "default" in schema:
            continue
        pattern = r"\W*".join(map(re.escape, words(str(value))))
        if not pattern or any(stands_in(value, str(message.get("content"))) for message in before):
            continue
        cut = re.compile(
            rf"""{LEAD}["'“‘(]?(?<![^\W_])(?<![:/.$£€-]){pattern}(?![^\W_]|[:/.-]\d|%)["'”’)]?(?:'s\b)?""",
            re.IGNORECASE,
        )
        if len(cut.findall(text)) != 1:
            continue
        left = cut.sub("", text)
        left = re.sub(rf"\s+(?:{'|'.join(CONNECTIVES.split())}|and|or)\s*(?=[.?!]|$)", "", left, flags=re.IGNORECASE)
        left = re.sub(r"\s+([,.?!])", r"\1", re.sub(r"[ \t]{2,}", " ", left)).strip(" ,;:-")
        others = [one for other, one in arguments.items() if other != key]
        if (
            len(words(left)) < 4
            or {word for word in words(str(value)) if len(word) > 3} & set(words(left))
            or stands_in(value, left)
            or any(stands_in(one, text) and not stands_in(one, left) for one in others)
        ):
            continue
        rest = {other: one for other, one in arguments.items() if other != key}
        calling = [{"type": "function", "function": {"name": name, "arguments": rest}}]
        answer = {"role": "assistant", "content": "", "tool_calls": calling}
        messages = [*before, {**last, "content": left}, answer]
        return {**row, "messages": messages, "needs": [*row["needs"], [0, key]]}
    return None
