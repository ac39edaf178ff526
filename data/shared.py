"""Converters for the sets that this project was given in their own formats, not the Hub's.

Each takes a `read` function, which gives the raw rows of the files that match a pattern, and yields [`Draft`]s, or in
the place of a bad row its [`RowError`]. Sets that label intents and slots get tools from `tools.yaml`. There, and
where a language model made up values, an argument stays only if the conversation says it, in the conversation's
spelling; an optional one that it does not say goes together with its parameter, a required one becomes a need.
"""

import ast
import copy
import json
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from .dialects import ABSENT, arguments_of, as_said, number_of, stands_in, tool_of, words
from .hub import Draft, ground, make_calls, make_tools, read_json, user
from .rows import RowError

Raw = Mapping[str, Any]
Read = Callable[[str], Iterable[Any]]  # Raw, or the RowError of one that cannot be read
Drafts = Iterator[Draft | RowError]

SIBLINGS = 5  # tools of the same set that are offered beside the right one
HISTORY = 10  # messages; longer conversations are left out


def each(raws: Iterable[Any], convert: Callable[[Any], Iterable[Any]]) -> Iterator[Any]:
    """Convert raw rows one by one; what cannot be read gives its reason instead."""
    for raw in raws:
        if isinstance(raw, RowError):
            yield raw
            continue
        try:
            yield from convert(raw)
        except RowError as error:
            yield error
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, SyntaxError) as error:
            yield RowError("not of the set's format", f"{type(error).__name__}: {error}")


def grounded(drafts: Drafts) -> Drafts:
    """For what language models wrote: see [`ground`]."""
    for draft in drafts:
        yield from [draft] if isinstance(draft, RowError) else each([draft], lambda one: [ground(one)])


# ------------------------------------------------------------------------------------------------ tools for slots


class Table:
    """The tools of a set in `tools.yaml`, and calls of them from slots.

    Attributes:
        tools: by the set's label.
    """

    def __init__(self, name: str):
        self.tools: dict[str, dict[str, Any]] = {}
        self.slots: dict[str, dict[str, str]] = {}  # parameter names by slot
        entries = yaml.safe_load(Path(__file__).with_name("tools.yaml").read_text(encoding="utf-8"))[name]
        for label, (tool, about, parameters) in entries.items():
            properties, required = {}, []
            label = str(label)
            self.slots[label] = {}
            for slot, text in parameters.items():
                parameter, kind, description = (
                    part.strip() for part in (text if isinstance(text, str) else "").split("|", 2)
                )
                if parameter.endswith("!"):
                    parameter = parameter[:-1]
                    required.append(parameter)
                self.slots[label][slot] = parameter
                properties[parameter] = {**_kind(kind), "description": description}
            self.tools[label] = tool_of(
                tool, about, {"type": "object", "properties": properties, "required": required}
            )

    def draft(self, label: str, slots: Iterable[tuple[str, Any]], text: str, messages=None, keep=()) -> Draft:
        """A call of the tool for `label`; slots without a parameter are left out.

        Args:
            text: what the values must stand in.
            messages: the conversation, if it is more than the text.
            keep: slots whose values are derived, and need not be said.

        Raises:
            RowError: no such label; a slot with two values.
        """
        if label not in self.tools:
            raise RowError("no tool for this label", label)
        tool = self.tools[label]
        values: dict[str, Any] = {}
        unsaid = []
        for slot, given in slots:
            name = self.slots[label].get(slot)
            if name is None or given in ABSENT:
                continue
            schema = tool["parameters"]["properties"][name]
            value = given if slot in keep else say(given, schema, text)
            if value is None:
                unsaid.append(name)
            elif values.setdefault(name, value) != value:
                raise RowError("a slot has two values", slot)
        tool = without(tool, [name for name in unsaid if name not in values])
        needs = [(0, name) for name in tool["parameters"].get("required", ()) if name not in values]
        beside = siblings(list(self.tools.values()), self.tools[label]["name"], text)
        return Draft(messages or user(text), [tool, *beside], [(tool["name"], values)], needs=needs)


def _kind(text: str) -> dict[str, Any]:
    if text.startswith("["):
        return {"type": "string", "enum": [one.strip() for one in text.strip("[]").split(",")]}
    if text == "strings":
        return {"type": "array", "items": {"type": "string"}}
    return {"type": text}


def say(value: Any, schema: Mapping[str, Any], text: str) -> Any:
    """A value in the spelling of the text and the type of the schema; None if the text does not say it."""
    kind = schema.get("type")
    if kind == "boolean" or isinstance(value, bool):
        return None
    if kind in ("integer", "number"):
        number = value if isinstance(value, int | float) else number_of(str(value))
        written = re.findall(r"\d+(?:\.\d+)?", str(value).replace(",", ""))
        if number is None and len(written) == 1 and (kind == "number" or "." not in written[0]):
            number = float(written[0]) if "." in written[0] else int(written[0])
        return number if number is not None and stands_in(number, text) else None
    if kind == "array":
        said = [as_said(str(one), text) for one in (value if isinstance(value, list) else [value])]
        return said if said and None not in said else None
    if not isinstance(value, str):
        value = str(value)
    if "enum" in schema:
        alike = [one for one in schema["enum"] if words(one) == words(value)]
        return alike[0] if alike and stands_in(value, text) else None
    return as_said(value, text)


def without(tool: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """A tool without some of its optional parameters."""
    required = tool["parameters"].get("required", ())
    kept = {
        name: schema
        for name, schema in tool["parameters"]["properties"].items()
        if name in required or name not in names
    }
    return {**tool, "parameters": {**tool["parameters"], "properties": kept}}


def siblings(tools: Sequence[Mapping[str, Any]], name: str, key: str, count: int = SIBLINGS) -> list[Mapping]:
    """Some of the other tools, always the same ones for the same key."""
    others = [tool for tool in tools if tool["name"] != name]
    chance = random.Random(key)
    return chance.sample(others, min(len(others), chance.randint(0, count)))


def snake(name: str) -> str:
    """`StartTimeHour` → `start_time_hour`"""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip("_")


def talk(messages: Sequence[Mapping[str, Any]]) -> str:
    """All that was said."""
    return "\n".join(str(message.get("content", "")) for message in messages)


def merge(messages: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """A conversation in which the speakers take turns, from the user on."""
    made: list[dict[str, Any]] = []
    for role, text in messages:
        if made and made[-1]["role"] == role:
            made[-1]["content"] += "\n" + text
        elif made or role == "user":
            made.append({"role": role, "content": text})
    return made


# ------------------------------------------------------------------------------------------------ with tools


def rottuning(read: Read) -> Drafts:
    """RoTBench: tools in the system prompt, `Action` and `Action Input`. Types come from the values."""
    yield from sharpen(grounded(each(read("train.jsonl.gz"), _rottuning)))


def _rottuning(raw: Raw) -> Iterator[Draft]:
    system, question, *_ = raw["conversations"]
    listed = re.search(r"following tools:\s*(\[.*\])\s*Let's Begin", system["value"], re.DOTALL)
    if listed is None:
        raise RowError("no tools")
    tools = [tool for tool in make_tools(listed[1]) if tool["name"] not in ("finish", "ask_to_user")]
    answer = raw["conversations"][-1]["value"]
    call = re.search(r"Action:\s*(\S+)\s*\nAction Input:\s*(\{.*\})", answer, re.DOTALL)
    if call is None:
        raise RowError("a call cannot be read")
    if call[1] in ("finish", "ask_to_user"):
        raise RowError("the answer is no call of a tool")
    text = question["value"].strip().removesuffix("Begin!")
    yield Draft(user(text), tools, make_calls({"name": call[1], "arguments": call[2]}, tools))


# Identifiers look like numbers and are none.
IDENTIFIER = re.compile(r"(?:^|_)(id|ids|key|code|zip|zipcode|postcode|phone|number|isbn|ip|version|mac|date)$", re.I)


def sharpen(drafts: Drafts) -> Drafts:
    """Make parameters integers that are strings by their schema and integers in every call, at least three."""
    held = list(drafts)
    values: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for draft in held:
        if isinstance(draft, Draft):
            for name, arguments in draft.calls:
                for parameter, value in arguments.items():
                    values[name, parameter].append(value)
    whole = {
        key
        for key, found in values.items()
        if len(found) >= 3
        and all(isinstance(one, str) and re.fullmatch(r"0|-?[1-9]\d{0,8}", one) for one in found)
        and not IDENTIFIER.search(snake(key[1]))
    }
    for draft in held:
        if isinstance(draft, Draft):
            tools = copy.deepcopy(list(draft.tools))
            for tool in tools:
                for parameter, schema in tool["parameters"]["properties"].items():
                    if (tool["name"], parameter) in whole and schema.get("type") == "string" and "enum" not in schema:
                        schema["type"] = "integer"
                        schema.pop("default", None)
            by_name = {tool["name"]: tool for tool in tools}
            calls = [(name, arguments_of(arguments, by_name[name])) for name, arguments in draft.calls]
            draft = draft._replace(tools=tools, calls=calls)
        yield draft


def seal_tools(read: Read) -> Drafts:
    """Seal-Tools: calls in `dev.jsonl`, candidate tools in the prompts of `dev_with_candidates.jsonl`."""
    offered: dict[str, Any] = {}
    for raw in read("dev_with_candidates.jsonl.gz"):
        if not isinstance(raw, RowError):
            offered[raw["id"]] = raw["conversations"][0]["value"]

    def convert(raw: Raw) -> Iterator[Draft]:
        listed = re.search(r"api_list = (\[.*\])\s*(?:\n|$)", offered.get(raw["id"], ""))
        if listed is None:
            raise RowError("no tools")
        tools = [
            tool_of(one["api_name"], one["api_description"], one["parameters"] and _flat(one))
            for one in ast.literal_eval(listed[1])
        ]
        tools = list({tool["name"]: tool for tool in reversed(tools)}.values())
        if "API_call_" in json.dumps([one["parameters"] for one in raw["calling"]]):
            raise RowError("a call uses the result of another")
        calls = [{"name": one["api"], "arguments": one["parameters"]} for one in raw["calling"]]
        yield Draft(user(raw["query"]), tools, make_calls(calls, tools))

    yield from grounded(each(read("dev.jsonl.gz"), convert))


def _flat(api: Raw) -> dict[str, Any]:
    """Parameters with the names that are required beside them."""
    return {"type": "object", "properties": api["parameters"], "required": api.get("required", [])}


def toolace_hermes(read: Read) -> Drafts:
    """A slice of ToolACE and Hermes as `prompt_messages`, `tools`, `gold_tool_calls`; of ToolACE, the first call."""

    def convert(raw: Raw) -> Iterator[Draft]:
        tools = make_tools(raw["tools"])
        messages = [message for message in raw["prompt_messages"] if message["role"] != "system"]
        calls = raw["gold_tool_calls"][:1] if "turn_user_messages" in raw else raw["gold_tool_calls"]
        yield Draft(messages, tools, make_calls(calls, tools))

    for name in ("toolace.jsonl.gz", "hermes.jsonl.gz"):
        yield from grounded(each(read(name), convert))


def toolrl(read: Read) -> Drafts:
    """ToolRL's rows: tools as `Name / Description / Parameters` in the instruction; rows of one turn."""

    def convert(raw: Raw) -> Iterator[Draft]:
        tools = [
            tool_of(name, about, read_json(parameters, "tools"))
            for name, about, parameters in re.findall(
                r"^\d+\. Name: (.*)\nDescription: (.*)\nParameters: (\{.*\})$", raw["instruction"], re.MULTILINE
            )
        ]
        tools = list({tool["name"]: tool for tool in reversed(tools)}.values())
        for tool in tools:  # these rows give every parameter an empty default
            for schema in tool["parameters"]["properties"].values():
                schema.pop("default", None)
        said = re.findall(r"<(user|obs|tool_call|response)>", raw["input"])
        question = re.search(r"<user>(.*)</user>", raw["input"], re.DOTALL)
        if said != ["user"] or question is None:
            raise RowError("more than one turn")
        calls = re.search(r"<tool_call>\s*(.*?)\s*</tool_call>", raw["output"], re.DOTALL)
        if calls is None:
            answer = re.search(r"<response>\s*(.*?)\s*</response>", raw["output"], re.DOTALL)
            if answer is None:
                raise RowError("neither a call nor a response")
            yield Draft([*user(question[1]), {"role": "assistant", "content": answer[1]}], tools, mode="chat")
            return
        lines = [read_json(line, "a call") for line in calls[1].splitlines() if line.strip()]
        yield Draft(user(question[1]), tools, make_calls(lines, tools))

    yield from grounded(each(read("train.jsonl.gz"), convert))


def glaive_sharegpt(read: Read) -> Drafts:
    """Glaive in ShareGPT's form, as LLaMA-Factory has it: the calls up to the first answer in words, and that."""

    def convert(raw: Raw) -> Iterator[Draft]:
        tools = make_tools(raw["tools"])
        messages: list[dict[str, Any]] = []
        for turn in raw["conversations"]:
            speaker, text = turn["from"], turn["value"]
            if speaker == "function_call":
                calls = make_calls(read_json(text, "a call"), tools)
                yield Draft(list(messages), tools, calls)
                made = [{"type": "function", "function": {"name": n, "arguments": a}} for n, a in calls]
                messages.append({"role": "assistant", "content": "", "tool_calls": made})
            elif speaker == "gpt":
                yield Draft([*messages, {"role": "assistant", "content": text}], tools, mode="chat")
                return
            else:
                messages.append({"role": {"human": "user", "observation": "tool"}[speaker], "content": text})

    yield from grounded(each(read("train.jsonl.gz"), convert))


def droidcall(read: Read) -> Drafts:
    """DroidCall: `intent` and `extras` of Android; values that the model made up are left out."""
    table = Table("droidcall")

    def convert(raw: Raw) -> Iterator[Draft]:
        label = "12" if raw["id"] in (12, 13, 14) else str(raw["id"])
        text, extras = raw["query"], raw["extras"] or {}
        slots = []
        for slot, value in extras.items():
            if slot == "EXTRA_HOUR" and not _hour_said(value, text):
                raise RowError("the time is not in the query")
            if slot == "EXTRA_MINUTES" and value and not stands_in(value, text):
                raise RowError("the time is not in the query")
            if slot == "EXTRA_LENGTH" and not any(
                value % unit == 0 and stands_in(value // unit, text) for unit in (1, 60, 3600)
            ):
                raise RowError("the time is not in the query")
            slots.append((slot, value))
        if str(raw.get("uri")).startswith("mailto:"):
            slots.append(("Intent.EXTRA_EMAIL", [raw["uri"].removeprefix("mailto:")]))
        draft = table.draft(label, slots, text, keep=("EXTRA_HOUR", "EXTRA_MINUTES", "EXTRA_LENGTH"))
        said = set(words(text))
        for _, name in draft.needs:  # only of an address, a name or a place is it sure that it is missing
            slot = next(slot for slot, other in table.slots[label].items() if other == name)
            if name not in ("to", "name", "destination") or "@" in text or said & set(words(str(extras.get(slot)))):
                raise RowError("a value is not in the query as it stands", slot)
        yield draft

    for name in ("machine_generated.jsonl.gz", "seeds.jsonl.gz"):
        yield from each(read(name), convert)


def _hour_said(hour: int, text: str) -> bool:
    said = {12: "noon", 0: "midnight"}.get(hour)
    return stands_in(hour, text) or stands_in(hour % 12 or 12, text) or (said is not None and said in text.lower())


def api_bank(read: Read) -> Drafts:
    """API-Bank, level 3: tools as search results, calls as `[Name(k='v')]`, with and without quotes."""

    def convert(raw: Raw) -> Iterator[Draft]:
        text = raw["input"]
        said = re.search(r"^User: (.*?)(?:\s*TIME: .*?)?$", text, re.MULTILINE)
        if said is None:
            raise RowError("no messages")
        call = re.search(r"API-Request: \[(\w+)\((.*)\)\]", raw["output"])
        if call is None:
            raise RowError("a call cannot be read")
        if call[1] == "ToolSearcher":
            raise RowError("a search for tools")
        tools: dict[str, dict[str, Any]] = {}
        messages: list[dict[str, Any]] = user(said[1])
        for name, arguments, result in re.findall(r"^API-Request: \[(\w+)\((.*?)\)\]->(.*)$", text, re.MULTILINE):
            if name == "ToolSearcher":
                found = ast.literal_eval(result)
                for one in found if isinstance(found, list) else [found]:
                    flat = {"type": "object", "properties": one["input_parameters"]}
                    flat["required"] = list(one["input_parameters"])
                    tools[one["name"]] = tool_of(one["name"], one["description"], flat)
            else:
                made = {"name": name, "arguments": _loose_arguments(arguments)}
                messages.append(
                    {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": made}]}
                )
                messages.append({"role": "tool", "content": result})
        offered = list(tools.values())
        calls = make_calls({"name": call[1], "arguments": _loose_arguments(call[2])}, offered)
        if not all(stands_in(value, talk(messages)) for value in calls[0][1].values()):
            raise RowError("a value is not in the query as it stands")
        yield Draft(messages, offered, calls)

    yield from each(read("lv3-api-train.jsonl.gz"), convert)


def _loose_arguments(text: str) -> dict[str, Any]:
    """`a='x', b=New York, c=2` → their values; what is no literal is text."""
    parts = re.split(r",\s*(?=\w+\s*=)", text) if text.strip() else []
    made = {}
    for part in parts:
        name, _, value = part.partition("=")
        try:
            made[name.strip()] = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            made[name.strip()] = value.strip().strip("'\"")
    return made


# ------------------------------------------------------------------------------------------------ dialogues


class _Sgd:
    """Schema-Guided Dialogue: its schemas, in the original wording and in the five of SGD-X."""

    def __init__(self, read: Read):
        names = ["", *(f"_sgdx_v{at}" for at in range(1, 6))]
        self.schemas = []
        for name in names:
            self.schemas.append(list(read(f"train_schema{name}.json.gz")))
        self.original = {service["service_name"]: at for at, service in enumerate(self.schemas[0])}

    def tools(self, services: Sequence[str], key: str) -> tuple[dict[tuple[str, str], dict], dict[tuple, str]]:
        """Tools by (service, intent), and parameters by (service, slot), in the wording that the key picks."""
        wording = self.schemas[random.Random(key).randrange(len(self.schemas))]
        tools, slots = {}, {}
        for name in services:
            first, other = self.schemas[0][self.original[name]], wording[self.original[name]]
            described = {slot["name"]: slot for slot in other["slots"]}
            for one, two in zip(first["slots"], other["slots"], strict=True):
                slots[name, one["name"]] = two["name"]
            for one, two in zip(first["intents"], other["intents"], strict=True):
                parameters = [*two["required_slots"], *two["optional_slots"]]
                tools[name, one["name"]] = {
                    "name": two["name"],
                    "description": two["description"],
                    "parameters": {
                        "type": "object",
                        "properties": {slot: _sgd_property(described[slot]) for slot in parameters},
                        **({"required": list(two["required_slots"])} if two["required_slots"] else {}),
                    },
                }
        return tools, slots

    def turns(self, raw: Raw) -> Iterator[tuple[list[dict[str, Any]], Raw, Raw, dict[str, dict[str, str]]]]:
        """(messages, frame of the user, frame of the system, how each slot's values were said) by turn and service."""
        messages: list[dict[str, Any]] = []
        said: dict[str, dict[str, str]] = defaultdict(dict)
        for at, turn in enumerate(raw["turns"]):
            messages.append(
                {"role": turn["speaker"].lower().replace("system", "assistant"), "content": turn["utterance"]}
            )
            for frame in turn["frames"]:
                for action in frame["actions"]:
                    for canonical, value in zip(action["canonical_values"], action["values"], strict=False):
                        said[action["slot"]][canonical] = value
            if turn["speaker"] != "USER" or at + 1 >= len(raw["turns"]) or len(messages) > HISTORY:
                continue
            frames = {frame["service"]: frame for frame in turn["frames"]}
            for frame in raw["turns"][at + 1]["frames"]:
                if frame["service"] in frames:
                    yield list(messages), frames[frame["service"]], frame, said

    def arguments(self, given: Raw, tool: Raw, names: Raw, said: Raw, text: str) -> tuple[dict[str, Any], list[str]]:
        """(what the conversation says of the given slot values, the parameters that it does not)"""
        values: dict[str, Any] = {}
        unsaid: list[str] = []
        for slot, value in given.items():
            name = names.get(slot, "")
            schema = tool["parameters"]["properties"].get(name)
            value = value[0] if isinstance(value, list) else value
            if schema is None:
                continue
            if schema["type"] == "boolean":
                found = {"True": True, "False": False}.get(value) if value in said.get(slot, ()) else None
            else:
                found = say(value, schema, text)
                if found is None and value in said.get(slot, ()):
                    found = say(said[slot][value], schema, text)
                if found is not None and "enum" in schema and found not in schema["enum"]:
                    found = None
            if found is None:
                unsaid.append(name)
            else:
                values[name] = found
        return values, unsaid


def _sgd_property(slot: Raw) -> dict[str, Any]:
    """Possible values make integers, booleans or an enum; months of them make text."""
    possible = [value for value in slot["possible_values"] if value != "dontcare"]
    about = {"description": slot["description"]}
    if slot["is_categorical"] and possible and all(value.isdigit() for value in possible):
        return {"type": "integer", **about}
    if slot["is_categorical"] and {*possible} <= {"True", "False"} and possible:
        return {"type": "boolean", **about}
    if slot["is_categorical"] and possible and len(possible) <= 12:
        return {"type": "string", "enum": possible, **about}
    return {"type": "string", **about}


def sgd(read: Read) -> Drafts:
    """Calls of services, with the dialogue before them; values as they were said."""
    yield from _sgd(read, _sgd_calls)


def sgd_needs(read: Read) -> Drafts:
    """Turns after which the system asks for what a service requires: calls with needs."""
    yield from _sgd(read, _sgd_needs)


def sgd_chat(read: Read) -> Drafts:
    """Thanks and farewells with the services offered: chat."""
    yield from _sgd(read, _sgd_chat)


def _sgd(read: Read, convert: Callable[..., Draft | None]) -> Drafts:
    sgd = _Sgd(read)

    def rows(raw: Raw) -> Iterator[Draft]:
        by_intent, slots = sgd.tools(raw["services"], raw["dialogue_id"])
        tools = list({tool["name"]: tool for tool in by_intent.values()}.values())
        for messages, asked, answered, said in sgd.turns(raw):
            names = {slot: name for (service, slot), name in slots.items() if service == asked["service"]}
            draft = convert(sgd, by_intent, names, messages, asked, answered, said)
            if draft is not None:
                if draft.calls:  # the called tool may have lost parameters; it goes first
                    others = [tool for tool in tools if tool["name"] != draft.tools[0]["name"]]
                    draft = draft._replace(tools=[*draft.tools, *others])
                else:
                    draft = draft._replace(tools=tools)
                yield draft

    yield from each(read("train_dialogues.jsonl.gz"), rows)


def _sgd_calls(sgd, tools, names, messages, asked, answered, said) -> Draft | None:
    call = answered.get("service_call")
    if not call:
        return None
    tool = tools[asked["service"], call["method"]]
    values, unsaid = sgd.arguments(call["parameters"], tool, names, said, talk(messages))
    tool = without(tool, unsaid)
    if any(name not in values for name in tool["parameters"].get("required", ())):
        return None
    return Draft(messages, [tool], [(tool["name"], values)])


def _sgd_needs(sgd, tools, names, messages, asked, answered, said) -> Draft | None:
    intent = asked["state"]["active_intent"]
    requested = {action["slot"] for action in answered["actions"] if action["act"] == "REQUEST"}
    if answered.get("service_call") or intent == "NONE" or not requested:
        return None
    tool = tools[asked["service"], intent]
    given = asked["state"]["slot_values"]
    values, unsaid = sgd.arguments(given, tool, names, said, talk(messages))
    required = tool["parameters"].get("required", ())
    missing = [names[slot] for slot in names if slot not in given and names[slot] in required]
    if not missing or not {names[slot] for slot in requested if slot in names} <= set(missing):
        return None
    if any(name in required for name in unsaid):
        return None
    return Draft(messages, [without(tool, unsaid)], [(tool["name"], values)], needs=[(0, name) for name in missing])


def _sgd_chat(sgd, tools, names, messages, asked, answered, said) -> Draft | None:
    acts = {action["act"] for action in asked["actions"]}
    if not acts <= {"THANK_YOU", "GOODBYE", "NEGATE"} or "service_call" in answered:
        return None
    return Draft(messages, mode="chat")


def star(read: Read) -> Drafts:
    """STAR: wizards' queries, with the dialogue before them. `RequestType` is the wizard's own and left out."""
    (apis,) = read("apis.json.gz")
    about = yaml.safe_load(Path(__file__).with_name("tools.yaml").read_text(encoding="utf-8"))["star"]
    tools = {name: _star_tool(name, about.get(name, ""), api) for name, api in apis.items()}

    def convert(raw: Raw) -> Iterator[Draft]:
        history: list[tuple[str, str]] = []
        for event in raw["Events"]:
            if event["Action"] in ("utter", "pick_suggestion") and event.get("Text"):
                history.append(("user" if event["Agent"] == "User" else "assistant", event["Text"].strip()))
            if event["Action"] != "query" or not history or history[-1][0] != "user":
                continue
            messages = merge(history)
            if len(messages) > HISTORY or event["APIName"] not in tools:
                continue
            tool = tools[event["APIName"]]
            values, unsaid = {}, []
            for name, given in {n: v for one in event["Constraints"] for n, v in one.items()}.items():
                schema = tool["parameters"]["properties"].get(snake(name))
                value = _star_value(given)
                if schema is None:
                    continue
                found = None if value is None else say(value, schema, talk(messages))
                if found is None:
                    unsaid.append(snake(name))
                else:
                    values[snake(name)] = found
            tool = without(tool, unsaid)
            if not values or any(name not in values for name in tool["parameters"].get("required", ())):
                continue
            beside = siblings(list(tools.values()), tool["name"], talk(messages), 3)
            yield Draft(messages, [tool, *beside], [(tool["name"], values)])

    yield from each(read("dialogues.jsonl.gz"), convert)


def _star_tool(name: str, about: str, api: Raw) -> dict[str, Any]:
    properties = {}
    for one in api["input"]:
        if one["Type"] == "RequestType":
            continue
        schema: dict[str, Any] = {"type": {"Integer": "integer", "Boolean": "boolean"}.get(one["Type"], "string")}
        if one["Type"] == "Categorical" and len(one["Categories"]) <= 8:
            schema["enum"] = one["Categories"]
        properties[snake(one["Name"])] = {**schema, "description": one["ReadableName"]}
    required = [snake(one) for one in api["required"]]
    return tool_of(name, about, {"type": "object", "properties": properties, "required": required})


def _star_value(text: str) -> Any:
    """A Python literal, or the one that `api.is_equal_to(…)` or a list of one holds; else None."""
    text = text.strip()
    if match := re.fullmatch(r"api\.is_(?:equal_to|one_of)\((.*)\)", text):
        text = match[1]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None
    if isinstance(value, list):
        return value[0] if len(value) == 1 else None
    return value


def taskmaster4(read: Read) -> Drafts:
    """Taskmaster-4: coffee orders, a call at a time, with the results of the calls before it."""
    table = Table("taskmaster4")

    def convert(raw: Raw) -> Iterator[Draft]:
        messages: list[dict[str, Any]] = []
        for utterance in raw["utterances"][:3]:
            messages.append({"role": utterance["speaker"], "content": utterance["text"]})
            name = None
            for note in utterance["annotations"]:
                if note["name"] == "api_call":
                    name = note["value"]
                elif note["name"] == "request" and name in table.tools:
                    request = read_json(note["value"], "a call")
                    if not isinstance(request, Mapping) or not all(
                        slot in table.slots[name] or slot in ("fields", "scope") for slot in request
                    ):
                        return
                    draft = table.draft(name, request.items(), talk(messages), messages=list(messages))
                    if draft.needs:
                        return
                    yield draft
                    made = {"type": "function", "function": {"name": name, "arguments": draft.calls[0][1]}}
                    messages.append({"role": "assistant", "content": "", "tool_calls": [made]})
                elif note["name"] == "response" and messages[-1]["role"] == "assistant":
                    messages.append({"role": "tool", "content": note["value"]})

    yield from each(read("dialogs.jsonl.gz"), convert)


# ------------------------------------------------------------------------------------------------ slots


def snips(read: Read) -> Drafts:
    """Snips: utterances cut at their entities; the file is the function."""
    table = Table("snips")
    for label in table.tools:

        def convert(raw: Raw, label: str = label) -> Iterator[Draft]:
            text = re.sub(r"\s+", " ", "".join(part["text"] for part in raw["data"])).strip()
            slots = [
                (part["entity"], part["text"].strip().removesuffix("'s")) for part in raw["data"] if "entity" in part
            ]
            yield table.draft(label, slots, text)

        yield from each(read(f"train_{label}.jsonl.gz"), convert)


def hwu64(read: Read) -> Drafts:
    """HWU64: requests to a home assistant; `general_*` is chat, `qa_maths` thinking, `qa_factoid` chat."""
    table = Table("hwu64")
    tools = list(table.tools.values())

    def convert(raw: Raw) -> Iterator[Draft]:
        intent, text = raw["intent"], raw["text"].strip()
        if intent in table.tools:
            yield table.draft(intent, [(one["entity"], one["value"].strip()) for one in raw["entities"]], text)
        elif intent == "qa_maths":
            yield Draft(user(text), mode="think")
        elif intent in ("general_commandstop", "general_repeat", "music_likeness"):
            raise RowError("neither chat nor one of the tools", intent)
        else:
            yield Draft(user(text), siblings(tools, "", text), mode="chat")

    yield from each(read("train.jsonl.gz"), convert)


def restaurant8k(read: Read) -> Drafts:
    """Restaurant8k: one booking tool; answers to a question get the question before them."""
    table = Table("restaurant8k")
    questions = {
        "people": "For how many people?",
        "date": "For which day?",
        "time": "At what time?",
        "first_name": "What is your first name?",
        "last_name": "What is your last name?",
    }

    def convert(raw: Raw) -> Iterator[Draft]:
        text = raw["userInput"]["text"]
        slots = []
        for label in raw.get("labels", ()):
            span = label["valueSpan"]
            slots.append((label["slot"], text[span.get("startIndex", 0) : span["endIndex"]]))
        if not slots:
            raise RowError("nothing to extract")
        asked = [questions[slot] for slot in raw.get("context", {}).get("requestedSlots", ()) if slot in questions]
        messages = user(text)
        if asked:
            opening = "I would like to book a table."
            messages = [*user(opening), {"role": "assistant", "content": " ".join(asked)}, *messages]
        draft = table.draft("book", slots, text, messages=messages)
        if any(slot == "people" for slot, _ in slots) and "people" not in draft.calls[0][1]:
            raise RowError("the number of people is no number")
        yield draft

    yield from each(read("train.jsonl.gz"), convert)


def nlupp(read: Read) -> Drafts:
    """NLU++: hotels and banking; rows with slots. Values as they were said, numbers as numbers."""
    table = Table("nlupp")
    for label in table.tools:

        def convert(raw: Raw, label: str = label) -> Iterator[Draft]:
            if not raw.get("slots"):
                raise RowError("nothing to extract")
            if len(words(raw["text"])) < 4:
                raise RowError("too short")
            slots = []
            for name, slot in raw["slots"].items():
                value = slot.get("value")
                slots.append((name, value if isinstance(value, int) else slot["text"]))
            draft = table.draft(label, slots, raw["text"])
            if not draft.calls[0][1]:
                raise RowError("nothing to extract")
            yield draft

        yield from each(read(f"{label}_folds0_17.jsonl.gz"), convert)


def multidogo(read: Read) -> Drafts:
    """MultiDoGO, sentence by sentence: requests with slots; greetings, thanks and what is out of domain are chat."""
    table = Table("multidogo")
    for domain in ("airline", "fastfood", "finance", "insurance", "media", "software"):
        tools = [tool for label, tool in table.tools.items() if label.startswith(domain)]

        def convert(raw: Raw, domain: str = domain, tools: Sequence[Raw] = tools) -> Iterator[Draft]:
            text, intent = raw["utterance"].strip(), raw["intent"]
            label = f"{domain}/{intent}"
            if intent in ("openinggreeting", "thankyou", "closinggreeting", "outofdomain"):
                if len(words(text)) < 3:
                    raise RowError("too short")
                yield Draft(user(text), siblings(tools, "", text), mode="chat")
                return
            if label not in table.tools:
                raise RowError("no tool for this label", label if "<div>" not in label else "several intents")
            tokens, labels = raw["utterance"].split(), raw["slot-labels"].split()
            if len(tokens) != len(labels):
                raise RowError("as many labels as words are wanted")
            slots: list[tuple[str, str]] = []
            before = "O"
            for token, slot in zip(tokens, labels, strict=True):
                if slot != "O" and slot == before:
                    slots[-1] = (slot, f"{slots[-1][1]} {token}")
                elif slot != "O":
                    slots.append((slot, token))
                before = slot
            draft = table.draft(label, slots, text)
            if not draft.calls[0][1]:
                raise RowError("nothing to extract")
            yield draft

        yield from each(read(f"{domain}_sentence_train.jsonl.gz"), convert)


def ha_intents(read: Read) -> Drafts:
    """Home Assistant's English test sentences. What a state or a class of devices is called is left out."""
    (intents,) = read("intents.json.gz")
    whole = ("position", "temperature", "brightness", "volume_level", "hours", "minutes", "seconds")
    tools = {}
    for name, intent in intents.items():
        properties = {
            slot: {
                "type": "integer" if slot.removeprefix("start_") in whole else "string",
                "description": one.get("description", ""),
            }
            for slot, one in intent.get("slots", {}).items()
            if slot not in ("state", "device_class", "conversation_command")
        }
        required = [slot for slot, one in intent.get("slots", {}).items() if one.get("required")]
        schema = {"type": "object", "properties": properties, "required": required}
        tools[name] = tool_of(snake(name.removeprefix("Hass")), intent.get("description", ""), schema)

    def convert(raw: Raw) -> Iterator[Draft]:
        intent = raw.get("intent") or {"name": Path(raw["file"]).parts[1], "slots": raw.get("slots", {})}
        if intent["name"] in ("HassNevermind", "HassRespond"):
            raise RowError("neither chat nor one of the tools", intent["name"])
        tool = tools[intent["name"]]
        for text in raw["sentences"]:
            values, unsaid = {}, []
            for slot, value in (intent.get("slots") or {}).items():
                schema = tool["parameters"]["properties"].get(slot)
                if schema is None:
                    continue
                found = say(value, schema, text)
                if found is None and slot == "domain":
                    found = say(f"{value}s", schema, text)
                if found is None:
                    unsaid.append(slot)
                else:
                    values[slot] = found
            made = without(tool, unsaid)
            if any(name not in values for name in made["parameters"].get("required", ())) or (unsaid and not values):
                continue
            yield Draft(
                user(text),
                [made, *siblings(list(tools.values()), made["name"], text)],
                [(made["name"], values)],
            )

    yield from each(read("tests_en.jsonl.gz"), convert)


# ------------------------------------------------------------------------------------------------ selection only


def metatool(read: Read) -> Drafts:
    """MetaTool: which of 199 plugins; tools without parameters."""
    about: dict[str, str] = {}
    for name in ("plugin_des.json.gz", "big_tool_des.json.gz"):
        (described,) = read(name)
        about.update(described)
    tools = {name: tool_of(name, text, {}) for name, text in about.items()}

    def convert(raw: Raw) -> Iterator[Draft]:
        if raw["Tool"] not in tools:
            raise RowError("no tool for this label", raw["Tool"])
        text = raw["Query"]
        beside = siblings(list(tools.values()), raw["Tool"], text)
        yield Draft(user(text), [tools[raw["Tool"]], *beside], [(raw["Tool"], {})])

    yield from each(read("queries.jsonl.gz"), convert)


def clinc150(read: Read) -> Drafts:
    """CLINC150: tools without parameters for 8 domains; small talk and what is out of scope are chat."""
    (domains,) = read("domains.json.gz")
    tools = {
        intent: tool_of(intent, f"{intent.replace('_', ' ').capitalize()} ({domain.replace('_', ' ')}).", {})
        for domain, intents in domains.items()
        if domain not in ("small_talk", "meta")
        for intent in intents
    }

    def convert(raw: Raw) -> Iterator[Draft]:
        intent, text = raw["intent"], raw["text"]
        if intent in tools:
            beside = siblings(list(tools.values()), intent, text)
            yield Draft(user(text), [tools[intent], *beside], [(intent, {})])
        elif intent in domains["small_talk"] or intent == "oos":
            yield Draft(user(text), siblings(list(tools.values()), "", text), mode="chat")
        else:
            raise RowError("neither chat nor one of the tools", intent)

    for name in ("train.jsonl.gz", "oos_train.jsonl.gz"):
        yield from each(read(name), convert)


def banking77(read: Read) -> Drafts:
    """BANKING77: 77 close intents as tools without parameters."""
    tools: dict[str, dict[str, Any]] = {}
    raws = list(read("train.jsonl.gz"))
    for raw in raws:
        if not isinstance(raw, RowError):
            name = snake(raw["category"])
            tools.setdefault(name, tool_of(name, f"Answers customers of a bank: {name.replace('_', ' ')}.", {}))

    def convert(raw: Raw) -> Iterator[Draft]:
        name, text = snake(raw["category"]), raw["text"].strip()
        yield Draft(user(text), [tools[name], *siblings(list(tools.values()), name, text)], [(name, {})])

    yield from each(raws, convert)


# ------------------------------------------------------------------------------------------------ chat and thinking


def gsm8k(read: Read) -> Drafts:
    """Word problems with their steps."""

    def convert(raw: Raw) -> Iterator[Draft]:
        answer = re.sub(r"<<.*?>>", "", raw["answer"]).replace("#### ", "The answer is ") + "."
        yield Draft([*user(raw["question"]), {"role": "assistant", "content": answer}], mode="think")

    yield from each(read("train.jsonl.gz"), convert)


def flan_cot(read: Read) -> Drafts:
    """Questions with rationales."""

    def convert(raw: Raw) -> Iterator[Draft]:
        question, answer, why = (
            raw[name].replace("\\n", "\n").strip() for name in ("question", "answer", "rationale")
        )
        reply = f"{why}\nThe answer is {answer}."
        yield Draft([*user(question), {"role": "assistant", "content": reply}], mode="think")

    yield from each(read("*_train.jsonl.gz"), convert)


def dolly(read: Read) -> Drafts:
    """Dolly with HH-RLHF: instructions in a template."""

    def convert(raw: Raw) -> Iterator[Draft]:
        asked = re.search(r"### Instruction:\n(.*)\n\n### Response:", raw["prompt"], re.DOTALL)
        if asked is None:
            raise RowError("the prompt is not in the template")
        yield Draft([*user(asked[1]), {"role": "assistant", "content": raw["response"].strip()}], mode="chat")

    yield from each(read("train.jsonl.gz"), convert)


def self_instruct(read: Read) -> Drafts:
    """Instructions written by people, with their first input."""

    def convert(raw: Raw) -> Iterator[Draft]:
        first = raw["instances"][0]
        text = "\n\n".join(part for part in (raw["instruction"], first["input"]) if part.strip())
        yield Draft([*user(text), {"role": "assistant", "content": first["output"].strip()}], mode="chat")

    yield from each(read("*.jsonl.gz"), convert)


def nq_open(read: Read) -> Drafts:
    """Questions that people put to a search engine."""

    def convert(raw: Raw) -> Iterator[Draft]:
        question = raw["question"].strip()
        yield Draft([*user(question), {"role": "assistant", "content": raw["answer"][0]}], mode="chat")

    yield from each(read("*dev.jsonl.gz"), convert)


def chatgpt_prompts(read: Read) -> Drafts:
    """Long open-ended prompts."""

    def convert(raw: Raw) -> Iterator[Draft]:
        if len(raw["prompt"]) > 1500:
            raise RowError("too long")
        yield Draft(user(raw["prompt"]), mode="chat")

    yield from each(read("prompts.jsonl.gz"), convert)
