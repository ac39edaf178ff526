"""Schemas: what the scaffolder accepts of the schemas that people write, and whether it keeps its word.

Each schema is compiled as the parameters of one tool, on the tokenizer of a base. Of those accepted,

    invalid        fillings by random scores, left to right, whose arguments the schema does not allow
    inexpressible  example instances that the schema allows and that no filling could make, by documented reason

Schemas come from files of rows `{"schema", "tests": [{"valid", "data"}]}` and from the tools of BFCL's single-turn
rows. XGrammar and LLGuidance, if installed, compile the same schemas in the same run.
"""

import argparse
import gc
import gzip
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from .. import EMBEDDED_BASE, LaFuncProcessor
from ..compiling_lafunc import ANY_DEPTH, compile_tool
from ..filling_lafunc import Cursor
from ..node_lafunc import MAX_ITEMS, Node, Tool, continuations
from ..pattern_lafunc import PatternError, characters
from ..scaffolding_lafunc import Scaffold
from ..schema_lafunc import MAX_RECURSION, Part, SchemaReader, kind_of, text_of
from ..validation_lafunc import SchemaError, found_in, validator
from ..vocabulary_lafunc import Vocabulary
from . import bfcl, results
from .markdown import number, table
from .peers import LLGuidance
from .quantiles import quantile

FOLDER = results.ROOT.parent / "shared" / "data" / "json_schemas"
SLOT_TOKENS = 24  # longer values are ended as soon as their language allows
LIMITS = (600, 200, 100, 50)  # of the fillings in turn: after so many tokens everything is
LATER_DRAFT = "https://json-schema.org/draft/2019-09/schema"  # reads all that earlier ones say in the same way
SHOWN = 10  # faults of a kind


@dataclass
class Case:
    """One schema and its example instances."""

    name: str
    schema: Mapping[str, Any]
    instances: list[Any] = field(default_factory=list)


def add_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--folder", type=Path, default=FOLDER, help="of .jsonl.gz files of schemas")
    command.add_argument("--base", default=EMBEDDED_BASE, help="whose tokenizer writes")
    command.add_argument("--fills", type=int, default=20, help="fillings by random scores a schema")
    command.add_argument("--every", type=int, default=1, help="take every n-th schema of each set")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--processes", type=int, default=1, metavar="N", help="that share the schemas; default: 1")
    command.add_argument("--out", type=Path, default=Path("results") / "schemas.json")


def run(options: argparse.Namespace) -> int:
    if options.fills < 0 or options.every < 1:
        raise ValueError("--fills must be at least 0 and --every at least 1")
    if options.processes < 1:
        raise ValueError(f"--processes must be at least 1, got {options.processes}")
    missing = _begin(options.base, options.fills, options.seed)
    compilers = _WORK["compilers"]
    sets = dict(read_sets(options.folder))
    try:
        sets["BFCL"] = list(bfcl_tools())
    except bfcl.EvaluationError as error:
        missing["bfcl-eval"] = str(error)
    sets = {name: cases[:: options.every] for name, cases in sets.items()}
    settings = {
        "base": options.base,
        "fills": options.fills,
        "every": options.every,
        "seed": options.seed,
        "sets": {name: len(cases) for name, cases in sets.items()},
        "peers": list(compilers),
    }
    journal = results.Journal(options.out, settings)
    measure(sets, options, journal)
    found = {name: summarise([row for row in journal.rows if row["set"] == name]) for name in sets}
    data = {"sets": found, "missing": missing}
    results.write(options.out, "schemas", settings, data, options.arguments, ["jsonschema", *compilers])
    journal.pack()
    print("\n".join([*schemas_tables(data), "", str(options.out)]))
    return 0


# ---------------------------------------------------------------------------------------------------------------- sets


def read_sets(folder: Path) -> Iterator[tuple[str, list[Case]]]:
    """The files of a folder by their names.

    Raises:
        EvaluationError: there are none.
    """
    files = sorted(folder.glob("*.jsonl.gz"))
    if not files:
        raise bfcl.EvaluationError(f"{folder} has no .jsonl.gz files; pass --folder")
    for file in files:
        rows = [json.loads(line) for line in gzip.decompress(file.read_bytes()).decode().split("\n") if line]
        yield (
            file.name.removesuffix(".jsonl.gz"),
            [
                Case(row["file"], row["schema"], [test["data"] for test in row.get("tests", ()) if test["valid"]])
                for row in rows
            ],
        )


def bfcl_tools() -> Iterator[Case]:
    """The tools of BFCL's single-turn rows, each once."""
    seen = set()
    for row in bfcl.load(bfcl.CATEGORIES):
        for tool in row.tools:
            tool = tool.get("function", tool)
            key = json.dumps(tool, sort_keys=True)
            if key not in seen:
                seen.add(key)
                yield Case(f"{row.id} {tool['name']}", tool.get("parameters") or {"type": "object", "properties": {}})


def peer_compilers(processor: LaFuncProcessor) -> tuple[dict[str, Callable[[str], Any]], dict[str, str]]:
    """What compiles a schema with each other library, and why the others are missing."""
    found: dict[str, Callable[[str], Any]] = {}
    missing: dict[str, str] = {}
    try:
        import xgrammar

        info = xgrammar.TokenizerInfo.from_huggingface(processor.tokenizer)
        compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)
        found["xgrammar"] = lambda schema: compiler.compile_json_schema(schema, any_whitespace=False)
    except ImportError as error:
        missing["xgrammar"] = str(error)
    try:
        import llguidance
        import llguidance.hf

        tokenizer = llguidance.hf.from_tokenizer(processor.tokenizer)

        def compile_llguidance(schema: str) -> None:
            options: Any = LLGuidance.options
            grammar = llguidance.LLMatcher.grammar_from_json_schema(schema, overrides=options)
            matcher = llguidance.LLMatcher(tokenizer, grammar)
            if matcher.is_error():
                raise ValueError(matcher.get_error())

        found["llguidance"] = compile_llguidance
    except ImportError as error:
        missing["llguidance"] = str(error)
    return found, missing


# ----------------------------------------------------------------------------------------------------------- measuring


_WORK: dict[str, Any] = {}  # of each process: the arguments of [`examine`] but the first


def _begin(base: str, fills: int, seed: int, threads: int | None = None) -> dict[str, str]:
    """Make a process ready. Returns the libraries that are missing, and why."""
    if threads:
        torch.set_num_threads(threads)
    processor = LaFuncProcessor.from_base(base)
    compilers, missing = peer_compilers(processor)
    chance = torch.Generator().manual_seed(seed)
    scores = [4 * torch.randn(len(processor.vocabulary), generator=chance) for _ in range(64)]
    _WORK.update(vocabulary=processor.vocabulary, compilers=compilers, scores=scores, fills=fills)
    return missing


def _record(task: tuple[str, int, Case]) -> dict[str, Any]:
    name, at, case = task
    return {"set": name, "at": at, **examine(case, **_WORK)}


def measure(sets: Mapping[str, list[Case]], options: argparse.Namespace, journal: results.Journal) -> None:
    """Every schema that the journal does not hold yet."""
    done = {(row["set"], row["at"]) for row in journal.rows}
    order = [(name, at, case) for name, cases in sets.items() for at, case in enumerate(cases)]
    todo = [task for task in order if task[:2] not in done]
    with ExitStack() as stack:
        bar = stack.enter_context(tqdm(total=len(order), initial=len(done), desc="schemas", unit="schema"))
        records: Iterable[dict[str, Any]] = map(_record, todo)
        if options.processes > 1:
            settings = (options.base, options.fills, options.seed, 1)
            pool = stack.enter_context(get_context("spawn").Pool(options.processes, _begin, settings))
            records = pool.imap_unordered(_record, todo)
        for record in records:
            journal.add(record)
            bar.update()
    place = {task[:2]: n for n, task in enumerate(order)}
    journal.sort(lambda record: place[record["set"], record["at"]])


def _timed(make: Callable[..., Any], *given: Any) -> tuple[Any, float]:
    """What a function makes, and how long that took; as in `timeit`, no garbage is collected meanwhile.

    By the clock or in processor time, whichever is less: other processes do not count, nor does it count against a
    compiler that it has several threads.
    """
    gc.disable()
    try:
        start, used = time.perf_counter(), time.process_time()
        made = make(*given)
        return made, min(time.perf_counter() - start, time.process_time() - used)
    finally:
        gc.enable()


def _compiled(schema: Any, vocabulary: Vocabulary) -> tuple[Any, Any, SchemaError | None]:
    try:
        tool = compile_tool({"name": "f", "parameters": schema}, vocabulary)
        return tool, Scaffold([tool], vocabulary), None
    except SchemaError as error:
        return None, None, error


def examine(
    case: Case, vocabulary: Vocabulary, compilers: Mapping[str, Callable], scores: list[torch.Tensor], fills: int
) -> dict[str, Any]:
    """A schema's record: see the module. scores: [V] each."""
    seconds: dict[str, float | None] = {}  # None: refused
    for name, compiler in compilers.items():
        try:
            seconds[name] = _timed(compiler, json.dumps(case.schema))[1]
        except Exception:
            seconds[name] = None
    (tool, scaffold, error), seconds["lafunc"] = _timed(_compiled, case.schema, vocabulary)
    refused = error and {"reason": _reason(error), "path": error.path[:200]}
    found: dict[str, Any] = {"name": case.name, "refused": refused, "seconds": seconds}
    if refused is not None:
        return found
    check = validator(tool.parameters)
    faults = (next(check.iter_errors(fill(scaffold, scores, n)), None) for n in range(fills))
    invalid = [f"{fault.json_path}: {fault.message}"[:300] for fault in faults if fault is not None]
    instances = [one for one in case.instances if isinstance(one, dict) and check.is_valid(one)]
    documented: Counter[str] = Counter()
    inexpressible = []
    for instance in instances:
        if not scaffold.accepts([instance]):
            if (why := documented_reason(tool, instance)) is None:
                inexpressible.append(json.dumps(instance)[:300])
            else:
                documented[why] += 1
    return {
        **found,
        "fills": fills,
        "invalid": invalid,
        "instances": len(instances),
        "inexpressible": inexpressible,
        "documented": documented,
    }


def summarise(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The counts of one set, its refusals by reason with an example each, and the times to compile."""
    accepted = [record for record in records if record["refused"] is None]
    refused: dict[str, list[str]] = {}
    for record in records:
        if record["refused"] is not None:
            refused.setdefault(record["refused"]["reason"], []).append(f"{record['name']} {record['refused']['path']}")
    times = {name: [record["seconds"][name] for record in records] for name in records[0]["seconds"]}
    return {
        "schemas": len(records),
        "accepted": len(accepted),
        "refused": {
            why: {"schemas": len(names), "example": names[0]}
            for why, names in sorted(refused.items(), key=lambda one: -len(one[1]))
        },
        "fills": sum(record["fills"] for record in accepted),
        "invalid": [f"{record['name']} {fault}" for record in accepted for fault in record["invalid"]],
        "instances": sum(record["instances"] for record in accepted),
        "inexpressible": [f"{record['name']} {what}" for record in accepted for what in record["inexpressible"]],
        "documented": dict(sum((Counter(record["documented"]) for record in accepted), Counter()).most_common()),
        "compiling": {
            name: {
                "compiled": len(known := [1000 * one for one in found if one is not None]),
                "median": quantile(known, 0.5),
                "p99": quantile(known, 0.99),
                "longest": max(known, default=None),
            }
            for name, found in times.items()
        },
    }


def schemas_tables(data: Mapping[str, Any]) -> list[str]:
    """What is accepted and kept by set; why schemas are refused; times to compile."""
    sets = data["sets"]
    keys = ("schemas", "accepted", "fills", "instances")
    total = {key: sum(found[key] for found in sets.values()) for key in keys}
    lists = ("invalid", "inexpressible")
    total |= {key: [one for found in sets.values() for one in found[key]] for key in lists}
    total["documented"] = sum((Counter(found["documented"]) for found in sets.values()), Counter())
    head = "set,schemas,accepted,accepted %,fillings,invalid,instances,refused for a documented reason,inexpressible"
    lines = table(
        head.split(","),
        [
            [
                name,
                str(found["schemas"]),
                str(found["accepted"]),
                number(100 * found["accepted"] / found["schemas"], 2),
                str(found["fills"]),
                str(len(found["invalid"])),
                str(found["instances"]),
                str(sum(found["documented"].values())),
                str(len(found["inexpressible"])),
            ]
            for name, found in (*sets.items(), ("all", total))
        ],
    )
    reasons: dict[str, list[Any]] = {}
    for found in sets.values():
        for why, known in found["refused"].items():
            entry = reasons.setdefault(why, [0, known["example"]])
            entry[0] += known["schemas"]
    if reasons:
        lines += ["", "Refused:", ""]
        lines += table(
            ["reason", "schemas", "example"],
            [
                [why.replace("|", "\\|"), str(count), example.replace("|", "\\|")[:90]]
                for why, (count, example) in sorted(reasons.items(), key=lambda one: -one[1][0])
            ],
        )
    if total["documented"]:
        told = (f"{why} ({count})" for why, count in total["documented"].most_common())
        lines += ["", f"Instances that cannot be written, and why docs/json-schema.md says so: {', '.join(told)}."]
    for key in lists:
        lines += ["", *(f"- {key}: `{one[:200]}`" for one in total[key][:SHOWN])] if total[key] else []
    lines += ["", "Milliseconds to compile one schema:", ""]
    lines += table(
        ["set", "library", "compiled", "median", "99 %", "longest"],
        [
            [name, library, str(one["compiled"]), *(number(one[key], 2) for key in ("median", "p99", "longest"))]
            for name, found in sets.items()
            for library, one in found["compiling"].items()
        ],
    )
    missing = [f"{name} was not there: {why}" for name, why in data["missing"].items()]
    return [*lines, *(["", *missing] if missing else [])]


def _reason(error: SchemaError) -> str:
    """A refusal without what is particular to the schema."""
    message = str(error).removeprefix(f"tool {error.tool!r}, {error.path}: ")
    if "parameters must describe an object" in message:
        return "the parameters are no object"
    if "no value" in message or "leads back to itself" in message or "no member satisfies" in message:
        return "no value satisfies the schema"
    return f"{error.keyword}: {message.split(';')[0]}"[:120] if error.keyword else message[:120]


def fill(scaffold: Scaffold, scores: list[torch.Tensor], seed: int) -> Any:
    """Arguments written left to right, as by a base with random weights. scores: [V] each, taken in turn."""
    ways, limit = list(continuations(scaffold.chain)), LIMITS[seed % len(LIMITS)]
    cursor = Cursor(scaffold.vocabulary, ways, max_slot_tokens=SLOT_TOKENS, limit=limit)
    at = 7 * seed
    while not cursor.done:
        cursor.choose(scores[at % len(scores)])
        at += 1 + seed
    return scaffold.arguments(cursor.values)[0]


def documented_reason(tool: Tool, instance: Any) -> str | None:
    """Why no filling makes a valid instance, if docs/json-schema.md says so; None if it should."""
    if _overlong(tool.arguments(0), instance):
        return f"an array of more than {MAX_ITEMS} objects"
    if not validator({**tool.parameters, "$schema": LATER_DRAFT}).is_valid(instance):
        return "a keyword that only a later draft knows"
    reader = SchemaReader("f", tool.parameters)
    reader.left = float("inf")
    return _reason_of(reader, reader.schema, instance)


def _overlong(node: Node, value: Any) -> bool:
    """Whether an array in a value is longer than we let arrays of objects become."""
    if node.bracket == "{" and isinstance(value, dict):
        return any(_overlong(member.node, value[member.name]) for member in node.members if member.name in value)
    if node.bracket == "[" and isinstance(value, list):
        over = node.capped and len(value) > node.high
        return over or any(_overlong(node.element(at), one) for at, one in enumerate(value[: node.high]))
    return False


def _reason_of(reader: SchemaReader, schema: Any, value: Any, level: int = 0, free: int = 0) -> str | None:
    """[`documented_reason`] of a value that the schema allows.

    Args:
        level: of recursive references.
        free: arrays and maps in a row around the value that say nothing about what is in them.
    """
    kind = kind_of(value)
    kinds = {"number", "integer"} if kind == "integer" else {kind}
    if free > ANY_DEPTH:
        return f"nested more than {ANY_DEPTH} deep in a value of any type" if kind in ("array", "object") else None
    parts = reader.parts(schema, "$", level)
    if not any("enum" in part.schema or kinds & set(reader.types(part.schema)) for part in parts) and parts:
        return "a type that the keywords do not speak of"
    allowed = [part for part in parts if reader.allows(part.schema, value, "$")]
    if not allowed and level == MAX_RECURSION:
        return f"nested more than {MAX_RECURSION} recursive references deep"
    reasons = [_reason_within(reader, part, value, free) for part in allowed]
    return reasons[0] if all(reasons) and reasons else None


def _reason_within(reader: SchemaReader, part: Part, value: Any, free: int) -> str | None:
    """[`documented_reason`] of a value that an alternative allows."""
    schema = part.schema
    if "enum" in schema:
        return None
    if isinstance(value, str):
        try:
            known = characters(text_of(schema)).matches(value)
        except PatternError:
            return None
        return None if known else "not of the format, or of the pattern in one dialect only"
    inside: list[tuple[Any, Any, bool]] = []  # schemas, values, and whether the schema is for these alone
    if isinstance(value, list):
        first = schema.get("prefixItems", ())
        rest = schema.get("items", True)
        inside = [(first[n] if n < len(first) else rest, one, n < len(first)) for n, one in enumerate(value)]
    if isinstance(value, dict):
        declared = {*schema.get("properties", ()), *schema.get("required", ())}
        patterns = schema.get("patternProperties", {})
        for name, one in value.items():
            inner = reader.member(schema, name)
            if name not in declared and inner in (True, {}) and (declared or patterns):
                if not any(found_in(pattern, name) for pattern in patterns):
                    return "a member that is not declared"
            inside.append((inner, one, name in declared))
    found = (
        _reason_of(reader, inner, one, part.level, free + 1 if inner in (True, {}) and not alone else 0)
        for inner, one, alone in inside
    )
    return next((reason for reason in found if reason is not None), None)
