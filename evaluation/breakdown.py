"""What went wrong: each row's answer beside what was due, and what of it stands nowhere in the conversation.

An answer has at most one fault, the first that applies:

| fault | meaning |
|---|---|
| error | the system raised |
| mode | no call where one is due, or a call where none is |
| count | too few or too many calls |
| tool | the right number of calls, but not of these tools |
| invalid | a call that does not parse, or violates its schema |
| missing | an argument that is due is not there |
| extra | an argument that may not be there is |
| value | a value is not right |
| checker | the checker alone knows |

Wrong, missing and extra arguments are counted besides, by the kind of their values: `verbatim` (a string that is right
stands in the conversation), `normalised` (a string that is right does not stand there as it is), `number`, `boolean`,
`enum`, `array`, `nested`.

**Hallucination rate**: hallucinated calls / calls made. A call is hallucinated if none is due, or if one of its values
is ungrounded: it does not follow from the conversation (see [`grounded`]), it is not offered by the schema (`enum`,
`const`, `default`, the two booleans), and it is none of the values that the benchmark takes for right.
"""

import re
import statistics
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations
from typing import Any

from ..copying_lafunc import UNDER_HUNDRED
from .bfcl import ANY_CALL, NO_CALL, Calls, Row, score, score_argument
from .quantiles import spread
from .systems import Answer

FAULTS = ("error", "mode", "count", "tool", "invalid", "missing", "extra", "value", "checker")
KINDS = ("verbatim", "normalised", "number", "boolean", "enum", "array", "nested")

ORDINALS = "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
MONTHS = "january february march april may june july august september october november december"
NUMBER_WORDS = {
    **UNDER_HUNDRED,
    **{word: number for number, word in enumerate(ORDINALS.split())},
    **{"a": 1, "an": 1, "once": 1, "twice": 2, "half": 0.5, "dozen": 12, "hundred": 100, "thousand": 1000},
    **{"million": 10**6, "billion": 10**9},
}
MONTH_WORDS = {form: number for number, word in enumerate(MONTHS.split(), 1) for form in (word, word[:3])}
NUMBER = re.compile(r"(\d[\d,]*\.?\d*|\.\d+)\s*(%|percent|k\b|thousand|m\b|million|billion)?")
SMALL_WORDS = frozenset("a an and at by for from in of on or the to with".split())


def examine(row: Row, answer: Answer) -> dict[str, Any]:
    """A row's record: what was asked, offered, due and made; whether it is right, and if not, why not."""
    verdict = score(row, answer.calls) if answer.error is None else None
    right = verdict is not None and verdict.valid
    pairs = _pair(row, answer.calls)
    arguments = [found for due, made in pairs for found in _arguments(row, due, made)]
    ungrounded = _ungrounded(row, answer.calls)
    return {
        "id": row.id,
        "category": row.category,
        "query": [message for message in row.messages],
        "tools": [tool["name"] for tool in row.tools],
        "expected": row.expected,
        "mode": answer.mode,
        "plan": answer.plan,
        "got": [{name: arguments} for name, arguments in answer.calls],
        "right": right,
        "fault": None if right else _fault(row, answer, arguments),
        "checker": "" if verdict is None else f"{verdict.error_type} {verdict.error}".strip(),
        "arguments": arguments,
        "ungrounded": ungrounded,
        "hallucinated": len(answer.calls) if row.category in NO_CALL else len({at for at, _ in ungrounded}),
        "invalid": answer.invalid,
        "confidence": answer.confidence,
        "needs": answer.needs,
        "clipped": answer.clipped,
        "text": answer.text,
        "error": answer.error,
        "seconds": answer.seconds,
        "saved": answer.saved,
        "stats": answer.stats,
    }


def _fault(row: Row, answer: Answer, arguments: Sequence[Mapping[str, Any]]) -> str:
    """The first fault that applies to an answer that is not right."""
    if answer.error is not None:
        return "error"
    if answer.invalid and not answer.calls:
        return "invalid"
    if not answer.calls or row.category in NO_CALL:
        return "mode"
    if row.category in ANY_CALL:
        return "checker"
    made = [name for name, _ in answer.calls]
    if len(made) != len(row.names):
        return "count"
    if Counter(made) != Counter(row.names):
        return "tool"
    if answer.invalid:
        return "invalid"
    faults = {found["fault"] for found in arguments}
    return next((fault for fault in ("missing", "extra", "value") if fault in faults), "checker")


def _pair(row: Row, calls: Calls) -> list[tuple[dict[str, dict[str, list]], tuple[str, Mapping[str, Any]]]]:
    """Calls that are due beside those made of the same tool, so that most values are right."""
    pairs = []
    for name in dict.fromkeys(row.names):
        due = [call for call in row.expected if name in call]
        made = [call for call in calls if call[0] == name]
        faults = [[sum(bool(f["fault"]) for f in _arguments(row, d, m)) for m in made] for d in due]
        few, many = sorted((len(due), len(made)))
        # Few enough to try them all; else in order.
        ways: Iterable[tuple[int, ...]] = permutations(range(many), few) if many <= 5 else [tuple(range(few))]
        if len(due) <= len(made):
            best = min(ways, key=lambda way: sum(faults[d][m] for d, m in enumerate(way)))
            pairs += [(due[d], made[m]) for d, m in enumerate(best)]
        else:
            best = min(ways, key=lambda way: sum(faults[d][m] for m, d in enumerate(way)))
            pairs += [(due[d], made[m]) for m, d in enumerate(best)]
    return pairs


def _arguments(row: Row, due: Mapping[str, Mapping[str, list]], made: tuple[str, Mapping[str, Any]]) -> list[dict]:
    """Each argument that is due or made: its kind, and its fault if it has one."""
    name, values = made
    function = next(function for function in row.functions if function["name"] == name)
    schemas = function["parameters"]["properties"]
    found = []
    for argument, right in due[name].items():
        kind = kind_of(row, schemas.get(argument, {}), right)
        if argument not in values:
            fault = "" if "" in right else "missing"
        else:
            fault = "" if score_argument(row, name, argument, values[argument], right) else "value"
        if argument in values or fault:
            found.append({"name": argument, "kind": kind, "fault": fault})
    for argument in values.keys() - due[name].keys():
        found.append({"name": argument, "kind": kind_of(row, schemas.get(argument, {}), []), "fault": "extra"})
    return found


def kind_of(row: Row, schema: Mapping[str, Any], right: Sequence[Any]) -> str:
    """The kind of value that is asked for, by the schema; of a string, whether a right one stands in the query."""
    kind = schema.get("type")
    if "enum" in schema:
        return "enum"
    if kind in ("boolean", "Boolean"):
        return "boolean"
    if kind in ("integer", "float", "number", "double", "long", "short", "byte", "Bigint"):
        return "number"
    if kind in ("dict", "HashMap", "Hashtable", "object"):
        return "nested"
    if kind in ("array", "tuple", "list", "Array", "ArrayList"):
        return "nested" if schema.get("items", {}).get("type") in ("dict", "array") else "array"
    text = _normalise(conversation(row))
    return "verbatim" if any(isinstance(v, str) and v and _normalise(v) in text for v in right) else "normalised"


# ----------------------------------------------------------------------------------------------------------- grounding


def conversation(row: Row) -> str:
    """All that was said."""
    return "\n".join(str(message.get("content") or "") for message in row.messages)


def grounded(value: Any, text: str) -> bool:
    """Whether a value follows from a text.

    A number does if it is written there in digits (`1,500`, `5%` for 5 or 0.05, `12k`) or as a word (`two`, `third`,
    `March`), be it rounded or signed otherwise. A string does if each of its words is there, in any order, case and
    inflection of an `s`, small words aside; its numbers as numbers. A list or an object does if all its values do.
    Booleans, null and the empty string always do.
    """
    return _grounded(value, *_said(text))


def _said(text: str) -> tuple[set[str], set[float]]:
    """The words of a text, and its numbers."""
    words = _words(text)
    numbers = {float(NUMBER_WORDS[word]) for word in words if word in NUMBER_WORDS}
    numbers |= {float(MONTH_WORDS[word]) for word in words if word in MONTH_WORDS}
    # twenty five; two hundred
    for first, second in zip(words, words[1:], strict=False):
        a, b = NUMBER_WORDS.get(first), NUMBER_WORDS.get(second)
        if a is not None and b is not None:
            numbers |= {float(a + b), float(a * b)}
    for digits, unit in re.findall(
        r"(\d[\d,]*\.?\d*|\.\d+)\s*(%|percent|k\b|thousand|m\b|million|billion)?", text.lower()
    ):
        number = float(digits.replace(",", "").rstrip(".") or 0)
        scale = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "billion": 1e9}.get(unit, 1)
        numbers |= {number, number * scale} | ({number / 100} if unit in ("%", "percent") else set())
    return {_stem(word) for word in words}, numbers


def _grounded(value: Any, words: set[str], numbers: set[float]) -> bool:
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, (int, float)):
        return any(abs(abs(value) - number) <= 1e-6 * max(1, number) for number in numbers)
    if isinstance(value, str):
        for word in _words(value):
            known = _stem(word) in words or word in SMALL_WORDS
            if not known and not (word.isdigit() and float(word) in numbers):
                if not (word in MONTH_WORDS and float(MONTH_WORDS[word]) in numbers):
                    return False
        return True
    members = value.values() if isinstance(value, Mapping) else value
    return all(_grounded(member, words, numbers) for member in members)


def _ungrounded(row: Row, calls: Calls) -> list[tuple[int, str]]:
    """(number of the call, argument) of each value that comes from nowhere."""
    words, numbers = _said(conversation(row))
    found = []
    for at, (name, arguments) in enumerate(calls):
        schema: dict[str, Any] = next((tool["parameters"] for tool in row.tools if tool["name"] == name), {})
        right = [call[name] for call in row.expected if name in call]
        for argument, value in arguments.items():
            member = schema.get("properties", {}).get(argument, {})
            if _grounded(value, words, numbers) or _offered(value, member):
                continue
            if not any(argument in r and score_argument(row, name, argument, value, r[argument]) for r in right):
                found.append((at, argument))
    return found


def _offered(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether the schema itself names the value."""
    named = [*schema.get("enum", []), *(schema[key] for key in ("const", "default") if key in schema)]
    if any(value == one and type(value) is type(one) for one in named):
        return True
    items = schema.get("items")
    return isinstance(value, list) and isinstance(items, Mapping) and all(_offered(one, items) for one in value)


def _normalise(text: str) -> str:
    return " ".join(_words(text))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).lower())


def _stem(word: str) -> str:
    return word[:-1] if word.endswith("s") and len(word) > 3 else word


# ------------------------------------------------------------------------------------------------------------- summary


def summarise(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The counts of many records: right answers by category, faults, arguments by kind, hallucinations, cost: passes a
    row in the mean, and the median of the filler's passes of the base a call."""
    categories: dict[str, dict[str, Any]] = {}
    arguments: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    for record in records:
        category = categories.setdefault(record["category"], {"right": 0, "rows": 0, "seconds": 0.0})
        category["right"] += record["right"]
        category["rows"] += 1
        category["seconds"] += record["seconds"] - record.get("saved", 0.0)  # older files have saved nothing
        for argument in record["arguments"]:
            arguments[argument["kind"]][argument["fault"] or "right"] += 1
    calls = sum(len(record["got"]) for record in records)
    undue = sum(len(record["got"]) for record in records if record["category"] in NO_CALL)
    hallucinated = sum(record["hallucinated"] for record in records)
    return {
        "rows": len(records),
        "right": sum(record["right"] for record in records),
        "categories": categories,
        "faults": {fault: sum(record["fault"] == fault for record in records) for fault in FAULTS},
        "arguments": {kind: dict(count) for kind, count in arguments.items() if count},
        "invalid": sum(record["invalid"] for record in records),
        "calls": calls,
        "hallucinated": hallucinated,
        "undue_calls": undue,
        "hallucination_rate": hallucinated / calls if calls else None,
        "errors": [{"id": record["id"], "error": record["error"]} for record in records if record["error"]],
        "milliseconds": spread([1000 * record["seconds"] for record in records if not record["error"]]),
        "base_passes": _mean([record["stats"]["base_passes"] for record in records if record["stats"]]),
        "head_passes": _mean([record["stats"]["head_passes"] for record in records if record["stats"]]),
        # Older files have none, and what writes without a scaffold has not either.
        "fill_passes": _median(
            [
                r["stats"]["fill_passes"] / len(r["plan"])
                for r in records
                if r["plan"] and r["stats"].get("fill_passes")
            ]
        ),
    }


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
