"""Schemas: what the scaffolder accepts of the schemas that people write, and whether it keeps its word.

Each schema is compiled as the parameters of one tool, on the tokenizer of a base. Of those accepted,

    invalid        fillings by random scores, left to right, whose arguments the schema does not allow
    inexpressible  example instances that the schema allows and that no filling could make, by documented reason

Schemas come from files of rows `{"schema", "tests": [{"valid", "data"}]}` and from the tools of BFCL's single-turn
rows. XGrammar and LLGuidance, if installed, compile the same schemas in the same run.
"""

import argparse
import gzip
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from .. import EMBEDDED_BASE, LaFuncProcessor
from ..compiling_lafunc import ANY_DEPTH, compile_tool
from ..filling_lafunc import Cursor
from ..node_lafunc import continuations
from ..pattern_lafunc import PatternError, characters
from ..scaffolding_lafunc import Scaffold
from ..schema_lafunc import MAX_RECURSION, SchemaError, SchemaReader, kind_of, text_of, validator
from . import bfcl, results
from .markdown import number
from .peers import LLGuidance
from .quantiles import quantile

FOLDER = results.ROOT.parent / "shared" / "data" / "json_schemas"
SLOT_TOKENS = 24  # longer values are ended as soon as their language allows


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
    command.add_argument("--out", type=Path, default=Path("results") / "schemas.json")


def run(options: argparse.Namespace) -> int:
    if options.fills < 0 or options.every < 1:
        raise ValueError("--fills must be at least 0 and --every at least 1")
    processor = LaFuncProcessor.from_base(options.base)
    compilers, missing = peer_compilers(processor)
    sets = dict(read_sets(options.folder))
    try:
        sets["BFCL"] = list(bfcl_tools())
    except bfcl.EvaluationError as error:
        missing["bfcl-eval"] = str(error)
    data: dict[str, Any] = {"sets": {}, "missing": missing}
    for name, cases in sets.items():
        found = data["sets"][name] = measure(
            cases[:: options.every], processor, compilers, options.fills, options.seed
        )
        show(name, found)
    for name, why in missing.items():
        print(f"missing     {name}: {why}")
    settings = {"base": options.base, "fills": options.fills, "every": options.every, "seed": options.seed}
    results.write(options.out, "schemas", settings, data, options.arguments, ["jsonschema", *compilers])
    print(f"written     {options.out}")
    return 0


def show(name: str, found: Mapping[str, Any]) -> None:
    time = found["milliseconds"]["lafunc"]
    print(
        f"{name:<14} accepted {found['accepted']} of {found['schemas']}, "
        f"invalid {found['invalid']} of {found['fills']}, "
        f"inexpressible {found['inexpressible']} of {found['instances']} {found['documented']}, "
        f"median {number(time['median'], 2)} ms, longest {number(time['longest'], 0)} ms",
        flush=True,
    )


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


def measure(
    cases: list[Case], processor: LaFuncProcessor, compilers: Mapping[str, Callable], fills: int, seed: int
) -> dict[str, Any]:
    """One set: see the module."""
    vocabulary = processor.vocabulary
    chance = torch.Generator().manual_seed(seed)
    scores = [4 * torch.randn(len(vocabulary), generator=chance) for _ in range(64)]
    refused: Counter[str] = Counter()
    examples: dict[str, str] = {}
    documented: Counter[str] = Counter()
    seconds: dict[str, list[float]] = {"lafunc": [], **{name: [] for name in compilers}}
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    failed: Counter[str] = Counter()
    for case in tqdm(cases, leave=False):
        for name, compiler in compilers.items():
            text = json.dumps(case.schema)
            start = time.perf_counter()
            try:
                compiler(text)
                seconds[name].append(time.perf_counter() - start)
            except Exception:
                failed[name] += 1
        start = time.perf_counter()
        try:
            tool = compile_tool({"name": "f", "parameters": case.schema}, vocabulary)
            scaffold = Scaffold([tool], vocabulary)
            seconds["lafunc"].append(time.perf_counter() - start)
        except SchemaError as error:
            seconds["lafunc"].append(time.perf_counter() - start)
            reason = _reason(error)
            refused[reason] += 1
            examples.setdefault(reason, f"{case.name} {error.path}"[:200])
            continue
        counts["accepted"] += 1
        check = validator(tool.parameters)
        for n in range(fills):
            arguments = fill(scaffold, scores, n)
            counts["fills"] += 1
            if (fault := next(check.iter_errors(arguments), None)) is not None:
                counts["invalid"] += 1
                wrong.append(f"{case.name} {fault.json_path}: {fault.message}"[:300])
        for instance in case.instances:
            if isinstance(instance, dict) and check.is_valid(instance):
                counts["instances"] += 1
                if not scaffold.accepts([instance]):
                    why = documented_reason(tool.parameters, instance)
                    if why is None:
                        counts["inexpressible"] += 1
                        wrong.append(f"{case.name} cannot be {json.dumps(instance)}"[:300])
                    else:
                        documented[why] += 1
    return {
        "schemas": len(cases),
        **{name: counts[name] for name in ("accepted", "fills", "invalid", "instances", "inexpressible")},
        "refused": dict(refused.most_common()),
        "examples": examples,
        "documented": dict(documented.most_common()),
        "wrong": wrong,
        "peers_refused": dict(failed),
        "milliseconds": {
            name: {
                "median": quantile([1000 * one for one in found], 0.5),
                "p99": quantile([1000 * one for one in found], 0.99),
                "longest": max((1000 * one for one in found), default=None),
            }
            for name, found in seconds.items()
        },
    }


def _reason(error: SchemaError) -> str:
    """A refusal without what is particular to the schema."""
    message = str(error).removeprefix(f"tool {error.tool!r}, {error.path}: ")
    if "parameters must describe an object" in message:
        return "the parameters are no object"
    if "no value satisfies" in message or "leads back to itself" in message or "no member satisfies" in message:
        return "no value satisfies the schema"
    return f"{error.keyword}: {message.split(';')[0]}"[:120] if error.keyword else message[:120]


def fill(scaffold: Scaffold, scores: list[torch.Tensor], seed: int) -> Any:
    """Arguments written left to right, as by a base with random weights. scores: [V] each, taken in turn."""
    cursor = Cursor(scaffold.vocabulary, list(continuations(scaffold.chain)), max_slot_tokens=SLOT_TOKENS, limit=600)
    at = 7 * seed
    while not cursor.done:
        cursor.choose(scores[at % len(scores)])
        at += 1 + seed
    return scaffold.arguments(cursor.values)[0]


def documented_reason(schema: Mapping[str, Any], instance: Any) -> str | None:
    """Why no filling makes a valid instance, if docs/json-schema.md says so; None if it should."""
    reader = SchemaReader("f", schema)
    reader.left = float("inf")
    todo: list[tuple[Any, Any, int, int]] = [(reader.schema, instance, 0, 0)]
    while todo:
        inner, value, level, free = todo.pop()
        parts = reader.parts(inner, "$", level)
        kind = kind_of(value)
        kinds = {"number", "integer"} if kind == "integer" else {kind}
        if any("enum" in part.schema for part in parts):
            continue
        mine = [part for part in parts if kinds & set(reader.types(part.schema))]
        if not mine:
            return (
                f"nested more than {MAX_RECURSION} recursive references deep"
                if level
                else "a type that the keywords do not speak of"
            )
        level = max(part.level for part in mine)
        if kind == "string":
            for part in mine:
                try:
                    if not characters(text_of(part.schema)).matches(value):
                        return "not of the format, or of the pattern in one dialect only"
                except PatternError:
                    continue
        if kind == "array":
            free = free + 1 if all("items" not in part.schema for part in mine) else 0
            for part in mine[:1]:
                first = part.schema.get("prefixItems", ())
                todo += [
                    (first[at] if at < len(first) else part.schema.get("items", True), one, level, free)
                    for at, one in enumerate(value)
                ]
        if kind == "object":
            for name, one in value.items():
                declaring = [
                    part
                    for part in mine
                    if name in part.schema.get("properties", {}) or name in part.schema.get("required", ())
                ]
                if not declaring and all(
                    reader.closed(part.schema) or part.schema.get("patternProperties") for part in mine
                ):
                    matching = [reader.member(part.schema, name) for part in mine]
                    if all(found in (True, {}, False) for found in matching):
                        return "a member that is not declared"
                for part in (declaring or mine)[:1]:
                    known = reader.member(part.schema, name)
                    todo.append((known, one, level, free + 1 if known in (True, {}) else 0))
        if free > ANY_DEPTH:
            return f"nested more than {ANY_DEPTH} deep in a value of any type"
    return None
