"""`lafunc eval calibration`: what the head's word on presence and on absence is worth, and what a confidence is.

On held-out rows, the right tools given. What one pass over the right calls tells comes first, and for it more rows
can be given: the weight of copies is the one with which the base finds what is due likeliest, each token after the
right ones before it; and after each call a logistic regression says by the words of base and router, and by whether
something of a series is left out, how likely another one is due. Of each optional value another one says how likely
nobody gave it, by what is known of it (see [`Evidence`]) before it is written, and the weight of that beside the
base's word (verified filler only) is the one with the fewest arguments missing or too many. With both, a third one
says of each required value how likely it is missing; each half of the rows is judged by the weights that fit the
other one; the threshold is the one with the best F0.5. Real requests leave out far fewer values than these rows do,
so those that are given count for more: as if the share of [`SHARE`] were missing. One such value decides then, so the
threshold is chosen by smoothed counts: each value counts as asked for by σ((logit(p) - logit(threshold)) /
[`SPREAD`]).
The confidences are mapped by a logistic function (Platt 1999) that is fitted on one half of the rows and judged on the
other by the expected calibration error (Naeini et al. 2015).
"""

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from ..calling_lafunc import Calls
from ..configuration_lafunc import EVENLY, WHOLE
from ..copying_lafunc import Transcript
from ..filling_lafunc import Cursor, class_index
from ..node_lafunc import Continuation, Tool, closers, continuations, json_path
from ..output_lafunc import Evidence, Stats, calibrated, logit, sigmoid
from ..planning_lafunc import follows, likely, more_log_odds, together
from ..processing_lafunc import RequestError
from ..request_lafunc import Request, read_request
from ..routing_lafunc import OFTEN, listening
from ..scaffolding_lafunc import Scaffold, Values
from ..validation_lafunc import SchemaError
from ..vocabulary_lafunc import Vocabulary
from . import results
from .accuracy import add_systems, asked_systems, measure
from .bfcl import EvaluationError
from .checkpoint import add_checkpoint, load_checkpoint
from .heldout import HeldOut, arguments_of, calls_due, load
from .markdown import number, table
from .systems import Answer

COPY_WEIGHTS = tuple(0.5 * n for n in range(15))
READING = "reading"  # in the journal, where others have a system
NOTHING = -1e9  # log-probability of no token at all
END = -1  # of a value, where others have a token's id
WEIGHTS = (0.0, 2.0, 4.0, 8.0)  # of presence
SHARE = 0.02  # of required values that are missing where the threshold is used
SPREAD = 0.5  # log-odds by which the same value might as well be elsewhere, where a threshold is chosen
THRESHOLDS = [*(round(0.05 * n, 2) for n in range(1, 20)), 0.97, 0.98, 0.99]
BINS = 10
NEVER_ASK = 2.0  # no probability reaches it
KNOWN = ("logit(absent)", "logit(confidence)", "stands", "closed", "named", "1")
WORD_ALONE = [1.0] + [0.0] * (len(KNOWN) - 1)  # of `optional_weights` and `needs_weights`
EACH = [1.0, 1.0, 0.0]  # of `sentence_weights`, by which sentences are read, too
RIDGE = 0.01  # on weights: a few rows must not decide everything


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_checkpoint(parser)
    parser.add_argument("--rows", type=Path, required=True, metavar="FILE", help="held-out rows, some with `needs`")
    parser.add_argument(
        "--more",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="further ones, for `copy_weight`, `sentence_weights` and `more_weights` only",
    )
    add_systems(parser)
    parser.add_argument("--limit", type=int, metavar="N", help="rows drawn with the seed; default: all")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="for --limit; default: 0")
    parser.add_argument("--write", action="store_true", help="put what was found into the checkpoint's config.json")
    parser.add_argument("--out", type=Path, default=Path("results/calibration.json"), metavar="FILE")


def run(options: argparse.Namespace) -> int:
    """Measure and write the result file; prints what is in it."""
    rows = load(options.rows, options.limit, options.seed, gold_plan=True)
    further = {f"more {path.name}": load(path, gold_plan=True) for path in options.more}
    model, processor, about = load_checkpoint(options.checkpoint)
    if "diffusion" not in model.config.trained:
        raise EvaluationError(f"{options.checkpoint} has an untrained diffusion head, whose probabilities are chance")
    chosen = asked_systems(options, model.config)
    if len(chosen) > 1:
        raise EvaluationError("one filler is calibrated at a time")
    # What is measured is what the head says, whatever the checkpoint was calibrated to before.
    model.config.optional_weights, model.config.needs_weights = WORD_ALONE, WORD_ALONE
    model.config.needs_threshold = NEVER_ASK
    model.config.sentence_weights = EACH
    model.config.confidence_slope, model.config.confidence_offset = 1.0, 0.0
    (system,) = chosen
    weights = WEIGHTS if system.filler == "verified" else (0.0,)
    asked = {weight: replace(system, setting=f"presence {weight}") for weight in weights}
    settings = {
        "checkpoint": about,
        "systems": [one.name for one in asked.values()],
        "rows": _file(options.rows),
        "more": [_file(path) for path in options.more],
        "limit": options.limit,
        "seed": options.seed,
        "copy_weights": COPY_WEIGHTS,
    }
    journal = results.Journal(options.out, settings)
    read(model, processor, {"rows": rows, **further}, journal)
    readings = [record for record in journal.rows if record["system"] == READING]
    written, parts = copying(readings), in_sentences(readings)
    model.config.copy_weight = written["weight"]
    records: dict[float, list[dict[str, Any]]] = {}
    for weight, one in asked.items():
        model.config.presence_weight = weight
        if records:  # what is known before anything is written is the same for all weights
            model.config.optional_weights = optional(next(iter(records.values())))["weights"]
        measure(model, processor, rows, [one], journal, True, examine)
        records[weight] = [record for record in journal.rows if record["system"] == one.name]
    found = presence(records)
    best = records[found["weight"]]
    data = {
        "copying": written,
        "sentences": parts,
        "more": more(readings, parts["weights"]),
        "optional": optional(records[min(records)]),
        "presence": found,
        "needs": needs(best),
        "confidence": confidence(best),
    }
    results.write(options.out, "calibration", settings, data, options.arguments)
    journal.pack()
    if options.write:
        _write(options.checkpoint / "config.json", data)
    print("\n".join([*calibration_tables(data), "", str(options.out)]))
    return 0


def _write(path: Path, data: Mapping[str, Any]) -> None:
    """What was found, into a checkpoint's config; the map of confidences only if it made them better."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config["copy_weight"], config["more_weights"] = data["copying"]["weight"], data["more"]["weights"]
    config["sentence_weights"] = data["sentences"]["weights"]
    config["optional_weights"] = data["optional"]["weights"]
    config["presence_weight"] = data["presence"]["weight"]
    config["needs_weights"], config["needs_threshold"] = data["needs"]["weights"], data["needs"]["threshold"]
    sure = data["confidence"]
    # On the half that was not fitted.
    better = sure["after"]["values"] and sure["after"]["ece"] < sure["before"]["ece"]
    config["confidence_slope"], config["confidence_offset"] = (sure["slope"], sure["offset"]) if better else (1.0, 0.0)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _file(path: Path) -> dict[str, str]:
    return {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()[:16]}


def read(model: Any, processor: Any, files: Mapping[str, Sequence[HeldOut]], journal: results.Journal) -> None:
    """Note of each row without missing values what base and router say over the right calls."""
    known = {record["id"] for record in journal.rows if record["system"] == READING}
    rows = {f"{file} {row.id}": row for file, rows in files.items() for row in rows if not row.needs}
    for id, row in tqdm([one for one in rows.items() if one[0] not in known], desc="reading", unit="row"):
        try:
            found = {**_reading(model, processor, row), "error": None}
        except (RequestError, SchemaError, ValueError) as error:
            found = {"choices": [], "calls": [], "counts": [], "error": str(error)}
        journal.add({"system": READING, "id": id, "right": not found["error"], **found})


@torch.no_grad()
def _reading(model: Any, processor: Any, row: HeldOut) -> dict[str, Any]:
    """What base and copies say at each token of a row's values, see [`Told`]; and after each of its calls how likely
    another one is due by the base, by the router, whether something of a series is left out, and whether it is. And of
    each tool how likely it is called, by the router, and whether it is.
    """
    request = read_request(row.messages, row.tools, processor, model.config, "tool", "auto", "autoregressive")
    vocabulary, offered = processor.vocabulary, {tool.name: tool for tool in request.tools}
    tools = [offered[name] for name in row.names]
    calls = Calls(Scaffold(tools, vocabulary, request.room), asked=request.asked)
    calls.values = calls.scaffold.read(
        [{k: v for k, (v,) in call[n].items()} for call, n in zip(row.expected, row.names, strict=True)]
    )
    with listening() as heard:
        reader = model.reader([request.prompt], Stats())
    reader.open([request.preface])
    after = []
    if "calls" in model.config.trained:
        model.called([request], heard[model.router.source(model.base)][:, -1], reader, processor, parallel=True)
        model.ask_sentences([request], reader, processor, parallel=True)
        for count, due in enumerate(follows(reader, [calls])[0], 1):
            after.append([due, _words(request, tools[:count]), calls.leave_out(count), count < len(tools)])
    told = calls.scaffold.tokens(calls.values)
    logits = reader.logits(reader.read([told])[0])  # [S, V]
    said = Transcript(request.texts, vocabulary, request.rewritten)
    cursor = Told(vocabulary, list(continuations(calls.scaffold.chain)), calls.values, told, said)
    while cursor.done is None and len(cursor.tokens) < len(told):
        cursor.choose(logits[len(cursor.tokens) - 1])
    often = Counter(row.names)
    counts = [
        [whole, part, often[name] > count]
        for name, tool in offered.items()
        for count in range(min(often[name], OFTEN - 1) + 1)
        for whole, part in _words(request, [tool] * count, [tool])
    ]
    return {"choices": cursor.choices, "calls": after, "counts": counts}


def _words(request: Request, before: Sequence[Tool], tools: Sequence[Tool] | None = None) -> list[list[float | None]]:
    """Of each tool how likely it is called once more than before, as the router says of the request and of its
    sentences, if they are several; none if it was not asked."""
    return [
        [likely(request.whole, tool, before), likely(request.parts, tool, before) if request.parts else None]
        for tool in (request.tools if tools is None else tools)
        if request.whole
    ]


class Told(Cursor):
    """Writes what it is told to, and notes at each choice within a value where something that was said goes on: the
    log-probability of all that copies say nothing of, that of all they speak for, that of what is due, and whether
    they speak for it.

    Args:
        right: the values.
        told: all that is to be written.
    """

    def __init__(
        self, vocabulary: Vocabulary, ways: list[Continuation], right: Values, told: Sequence[int], said: Transcript
    ):
        self.right, self.told = right, told
        self.choices: list[tuple[float, float, float, bool]] = []
        super().__init__(vocabulary, ways, max_slot_tokens=len(told) + 1, said=said)

    def _decide(self, logits: Tensor) -> bool:
        if self.slot is None:
            following, (tokens, ended) = self.told[len(self.tokens)], self._branches()
            if following not in tokens and ended is not None:
                self._enter(ended)
                return False
            self._write(following)
            return True
        right, written = self.right[self.slot.path], self.values[self.slot.path]
        due = right[len(written)] if len(written) < len(right) else END
        copies, whole = self._said()
        logs = logits.double().log_softmax(-1)  # [V]
        ids = torch.cat([class_index(group, logits.device) for group in self._edges()]).unique()
        odds, gaining = logs[ids], torch.isin(ids, torch.tensor(sorted(copies)))  # [A], of what may follow
        if self._may_end():
            closing = class_index(closers(self.vocabulary, self.slot.close), logits.device, kin=True)
            ids = torch.cat([ids, torch.tensor([END])])
            odds = torch.cat([odds, logs[closing].max()[None]])
            gaining = torch.cat([gaining, torch.tensor([whole])])
        place = (ids == due).nonzero().flatten().tolist()
        if place and gaining.any():
            others, said = (float(odds[kind].logsumexp(0).clamp(min=NOTHING)) for kind in (~gaining, gaining))
            self.choices.append((others, said, float(odds[place[0]]), bool(gaining[place[0]])))
        if due == END:
            self._leave()
        else:
            self._write(due)
        return due != END


def copying(readings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """By weight of copies, the mean cross-entropy of what is due, in nats, where copies speak for anything; and the
    weight with the least."""
    choices = [choice for reading in readings for choice in reading["choices"]]
    found = torch.tensor(choices, dtype=torch.float64).reshape(-1, 4)
    sums, due, gains = found[:, :2], found[:, 2], found[:, 3]  # [N, 2], [N], [N]
    curve = []
    for weight in COPY_WEIGHTS:
        gained = sums + torch.tensor([0.0, weight], dtype=torch.float64)
        losses = gained.logsumexp(-1) - due - weight * gains
        curve.append({"weight": weight, "loss": float(losses.mean()) if choices else 0.0})
    best = min(curve, key=lambda point: point["loss"])
    return {"weight": best["weight"], "choices": len(choices), "rows": len(readings), "curve": curve}


def in_sentences(readings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Weights of what the router says of requests of several sentences and of these, on whether a tool is called once
    more; how often they are wrong, each half judged by the weights of the other, and how often the request alone."""
    parts = [
        [known for reading in half for known in reading["counts"] if known[1] is not None] for half in halves(readings)
    ]
    crossed = [sentence_weights(part) for part in parts]
    counts = [*parts[0], *parts[1]]

    def wrong(counts: Sequence[Any], weights: Sequence[float]) -> int:
        return sum((together(whole, part, weights) >= 0.5) != due for whole, part, due in counts)

    return {
        "rows": sum(any(part is not None for _, part, _ in reading["counts"]) for reading in readings),
        "counts": len(counts),
        "due": sum(due for *_, due in counts),
        "weights": sentence_weights(counts),
        "wrong": sum(wrong(part, weights) for part, weights in zip(parts, crossed[::-1], strict=True)),
        "whole": wrong(counts, WHOLE),
    }


def sentence_weights(counts: Sequence[Sequence[Any]]) -> list[float]:
    """`sentence_weights` of a config; the request alone if there is nothing to learn."""
    labels = [due for *_, due in counts]
    if len(set(labels)) < 2:
        return WHOLE
    return logistic([[logit(whole), logit(part), 1.0] for whole, part, _ in counts], labels, ridge=RIDGE)


def more(readings: Sequence[Mapping[str, Any]], weights: Sequence[float]) -> dict[str, Any]:
    """Weights of base, router and what is left out on whether another call is due; how often they are wrong, each half
    judged by the weights of the other, and how often either alone and both evenly; and after how many calls something
    is left out, and how often another one is due then.

    Args:
        weights: of what the router says of requests and of their sentences.
    """
    parts = [[_heard(call, weights) for reading in half for call in reading["calls"]] for half in halves(readings)]
    crossed = [more_weights(part) for part in parts]
    calls = [*parts[0], *parts[1]]

    def wrong(calls: Sequence[Any], weights: Sequence[float]) -> int:
        return sum((more_log_odds(base, router, left, weights) >= 0) != due for base, router, left, due in calls)

    return {
        "calls": len(calls),
        "due": sum(due for *_, due in calls),
        "weights": more_weights(calls),
        "wrong": sum(wrong(part, weights) for part, weights in zip(parts, crossed[::-1], strict=True)),
        "base": wrong(calls, [1.0, 0.0, 0.0, 0.0]),
        "router": wrong(calls, [0.0, 1.0, 0.0, 0.0]),
        "evenly": wrong(calls, EVENLY),
        "left_out": sum(left for *_, left, _ in calls),
        "left_out_due": sum(left and due for *_, left, due in calls),
    }


def _heard(call: Sequence[Any], weights: Sequence[float]) -> tuple[float, float, bool, bool]:
    """After a call: how likely another one is due by the base, by the router; what is left out, and what is due."""
    base, words, left, due = call
    router = [whole if part is None else together(whole, part, weights) for whole, part in words]
    return base, max(router, default=base), left, due


def more_weights(calls: Sequence[Sequence[Any]]) -> list[float]:
    """`more_weights` of a config; base and router evenly if there is nothing to learn."""
    labels = [due for *_, due in calls]
    if len(set(labels)) < 2:
        return EVENLY
    known = [[logit(base), logit(router), float(left), 1.0] for base, router, left, _ in calls]
    return logistic(known, labels, ridge=RIDGE)


def examine(row: HeldOut, answer: Answer) -> dict[str, Any]:
    """A row's record: of each argument, required or optional, what is known of it, and whether it is missing; of each
    that was given and is due, how sure the filler was, and whether it is right."""
    required, optional, given = [], [], []
    calls = answer.calls if len(answer.calls) == len(row.expected) else []
    for n, (expected, name) in enumerate(zip(row.expected, row.names, strict=True)):
        schema = next(tool for tool in row.tools if tool["name"] == name)["parameters"]
        for argument in schema.get("properties", {}):
            path = json_path((n, argument))
            if path not in answer.evidence:
                continue
            known = asdict(answer.evidence[path])
            if argument in schema.get("required", []):
                required.append({"known": known, "due": (name, json_path((argument,))) in row.needs})
            else:
                optional.append({"known": known, "due": argument not in expected[name]})
        if calls:
            for argument, (value,) in expected[name].items():
                path = json_path((argument,))
                if argument in calls[n][1] and path in answer.confidence[n]:
                    right = calls[n][1][argument] == value
                    given.append({"confidence": answer.confidence[n][path], "right": right})
    faults = Counter(found["fault"] for found in arguments_of(row, calls_due(row), answer.calls))
    return {
        "id": row.id,
        "right": not answer.error,
        "error": answer.error,
        "arguments": {"missing": faults["missing"], "extra": faults["extra"], "all": faults.total()},
        "required": required,
        "optional": optional,
        "given": given,
        "seconds": answer.seconds,
    }


def optional(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Weights of what is known of optional values; on how many they are wrong, each half judged by the weights of the
    other, and on how many the word of the router or the head is by itself.
    """
    parts = [[(Evidence(**v["known"]), v["due"]) for r in half for v in r["optional"]] for half in halves(records)]
    values = [*parts[0], *parts[1]]
    crossed = [evidence_weights(part, 1.0) for part in parts]
    found = [(one.missing(w), missing) for w, part in zip(crossed[::-1], parts, strict=True) for one, missing in part]
    return {
        "values": len(values),
        "due": sum(missing for _, missing in values),
        "weights": evidence_weights(values, 1.0),
        "wrong": sum((p >= 0.5) != missing for p, missing in found),
        "word": sum((one.absent >= 0.5) != missing for one, missing in values),
    }


def presence(records: Mapping[float, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """By weight, how many arguments are missing and too many; and the weight with the fewest, the least of them."""
    curve = [
        {"weight": weight, **{key: sum(one["arguments"][key] for one in found) for key in ("missing", "extra", "all")}}
        for weight, found in records.items()
    ]
    return {"weight": min(curve, key=lambda point: point["missing"] + point["extra"])["weight"], "curve": curve}


def needs(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Weights of what is known; precision and recall of missing values by threshold, and the best F0.5's threshold.

    `precision` is that of requests of which [`SHARE`] is missing, `f` (van Rijsbergen) likewise, by smoothed counts;
    `here` is the precision on these rows, `head` the recall that the head alone has where it asks for as many that
    were given.
    """
    parts = [[(Evidence(**v["known"]), v["due"]) for r in half for v in r["required"]] for half in halves(records)]
    values = [*parts[0], *parts[1]]
    due = sum(missing for _, missing in values)
    given = len(values) - due
    weight = due * (1 - SHARE) / (SHARE * given) if due and given else 1.0  # of a value that is given
    crossed = [evidence_weights(part, weight) for part in parts]
    found = [(one.missing(w), missing) for w, part in zip(crossed[::-1], parts, strict=True) for one, missing in part]
    alone = sorted((one.absent for one, missing in values if not missing), reverse=True)
    curve: list[dict[str, Any]] = []
    for threshold in THRESHOLDS:
        said = [missing for p, missing in found if p >= threshold]
        right = sum(said)
        asked = right + weight * (len(said) - right)
        likely = [(sigmoid((logit(p) - logit(threshold)) / SPREAD), missing) for p, missing in found]
        hits = sum(p for p, missing in likely if missing)
        tries = hits + weight * sum(p for p, missing in likely if not missing)
        curve.append(
            {
                "threshold": threshold,
                "precision": right / asked if said else None,
                "here": right / len(said) if said else None,
                "recall": right / due if due else None,
                "head": _recall(values, [*alone, 0.0][len(said) - right]) if due else None,
                "f": 1.25 * hits / (tries + 0.25 * due) if due else 0.0,
                "said": len(said),
            }
        )
    best = max(curve, key=lambda point: point["f"])
    weights = evidence_weights(values, weight)
    return {"values": len(values), "due": due, "threshold": best["threshold"], "weights": weights, "curve": curve}


def _recall(values: Sequence[tuple[Evidence, bool]], above: float) -> float:
    """Of what is missing, the share that the head alone thinks likelier absent than this."""
    due = [one.absent for one, missing in values if missing]
    return sum(p > above for p in due) / len(due)


def evidence_weights(values: Sequence[tuple[Evidence, bool]], weight: float) -> list[float]:
    """Of what is known of values, in the log-odds that they are missing; the router's or head's word alone if there is
    nothing to learn. `weight`: of a value that is given."""
    labels = [missing for _, missing in values]
    if len(set(labels)) < 2:
        return WORD_ALONE
    counts = [1.0 if missing else weight for missing in labels]
    return logistic([one.features for one, _ in values], labels, counts, RIDGE)


def halves(records: Sequence[Mapping[str, Any]]) -> tuple[list, list]:
    """Every other record, in an order that says nothing."""
    order = sorted(records, key=lambda record: hashlib.sha256(record["id"].encode()).digest())
    return order[::2], order[1::2]


def logistic(
    features: Sequence[Sequence[float]],
    labels: Sequence[bool],
    weights: Sequence[float] | None = None,
    ridge: float = 0.0,
) -> list[float]:
    """Coefficients of a logistic regression. features: [N, F]; weights: [N], how much each row counts; ridge: of the
    squared coefficients in the loss."""
    x = torch.tensor(features, dtype=torch.float64)
    y = torch.tensor([float(label) for label in labels], dtype=torch.float64)
    each = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    found = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([found], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        error = torch.nn.functional.binary_cross_entropy_with_logits(x @ found, y, weight=each, reduction="sum")
        error = error + ridge * found.square().sum()
        error.backward()
        return error

    optimizer.step(loss)
    return found.tolist()


def confidence(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The logistic map of one half of the rows, and what it does to the other half's confidences."""
    fitted, judged = ([value for record in half for value in record["given"]] for half in halves(records))
    slope, offset = fit(fitted)
    after = [{**value, "confidence": calibrated(value["confidence"], slope, offset)} for value in judged]
    found: dict[str, Any] = {"slope": slope, "offset": offset}
    for name, values in (("before", judged), ("after", after)):
        bins = reliability(values)
        gaps = [bin["count"] * abs(bin["confidence"] - bin["right"]) for bin in bins]
        found[name] = {"bins": bins, "ece": sum(gaps) / len(values) if values else None, "values": len(values)}
    return found


def fit(values: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Slope and offset of the logistic regression of right on logit(confidence); 1 and 0 if there is none."""
    inside = [value for value in values if 0 < value["confidence"] < 1]
    if len({value["right"] for value in inside}) < 2:
        return 1.0, 0.0
    slope, offset = logistic([[logit(v["confidence"]), 1.0] for v in inside], [v["right"] for v in inside])
    return slope, offset


def reliability(values: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Bins of equal width that hold anything: mean confidence, share that is right, how many."""
    bins: dict[int, list[Mapping[str, Any]]] = {}
    for value in values:
        bins.setdefault(min(BINS - 1, int(value["confidence"] * BINS)), []).append(value)
    return [
        {
            "confidence": sum(value["confidence"] for value in bin) / len(bin),
            "right": sum(value["right"] for value in bin) / len(bin),
            "count": len(bin),
        }
        for _, bin in sorted(bins.items())
    ]


def calibration_tables(data: Mapping[str, Any]) -> list[str]:
    """Missing values by threshold; the errors of the confidences."""
    found, sure = data["needs"], data["confidence"]

    def share(value: float | None) -> str:
        return number(None if value is None else 100 * value)

    lines = []
    written, calls = data["copying"], data["more"]
    lines += [
        f"Cross-entropy, in nats, of what is due at the {written['choices']} tokens of {written['rows']} rows where "
        "something that was said goes on, each after the right ones, by the weight of copies:",
        "",
    ]
    lines += table(
        ["weight", "cross-entropy"],
        [
            [f"{p['weight']}{' (taken)' if p['weight'] == written['weight'] else ''}", number(p["loss"], 3)]
            for p in written["curve"]
        ],
    )
    if counts := data.get("sentences"):
        lines += [
            "",
            f"In {counts['rows']} rows, whose requests have several sentences, {counts['due']} of {counts['counts']} "
            f"times a tool is called once more. By the router's word on request and sentences {counts['wrong']} are "
            f"taken for the other, by that on the request alone {counts['whole']}. Weights of request, sentences, 1: "
            f"{', '.join(number(weight, 2) for weight in counts['weights'])}.",
        ]
    lines += [
        "",
        f"After {calls['due']} of {calls['calls']} right calls another one is due; so it is after "
        f"{calls['left_out_due']} of {calls['left_out']} that leave out something of a series. By all that is known "
        f"{calls['wrong']} are taken for the other, by base and router evenly {calls['evenly']}, by the base alone "
        f"{calls['base']}, by the router alone {calls['router']}. Weights of base, router, what is left out, 1: "
        f"{', '.join(number(weight, 2) for weight in calls['weights'])}.",
        "",
    ]
    if options := data.get("optional"):
        lines += [
            f"{options['due']} of {options['values']} optional values are not given. By all that is known of them "
            f"{options['wrong']} are taken for the other, by the word of router or head alone {options['word']}. "
            f"Weights of {', '.join(KNOWN)}: {', '.join(number(weight, 2) for weight in options['weights'])}.",
            "",
        ]
    lines += ["Arguments by the weight of what is known of their presence:", ""]
    lines += table(
        ["weight", "missing", "too many", "all"],
        [
            [f"{p['weight']}{' (taken)' if p['weight'] == data['presence']['weight'] else ''}"]
            + [str(p[key]) for key in ("missing", "extra", "all")]
            for p in data["presence"]["curve"]
        ],
    )
    lines += [
        "",
        f"{found['due']} of {found['values']} required values are missing. Where {share(SHARE)} % are, the threshold "
        f"with the best F0.5 is {found['threshold']}. Weights of {', '.join(KNOWN)}: "
        f"{', '.join(number(weight, 2) for weight in found['weights'])}. *Head alone*: the recall without the others "
        "where as many are asked for that were given.",
        "",
    ]

    lines += table(
        ["threshold", "precision %", "on these rows %", "recall %", "head alone %", "F0.5 %", "asked for"],
        [
            [
                str(p["threshold"]),
                *(share(p[key]) for key in ("precision", "here", "recall", "head", "f")),
                str(p["said"]),
            ]
            for p in found["curve"]
            if round(10 * p["threshold"]) == 10 * p["threshold"] or p["threshold"] == found["threshold"]
        ],
    )
    lines += [
        "",
        f"Expected calibration error of {sure['after']['values']} values in {BINS} bins: "
        f"{share(sure['before']['ece'])} % before, {share(sure['after']['ece'])} % after "
        f"(slope {number(sure['slope'], 2)}, offset {number(sure['offset'], 2)}, fitted on the other half).",
    ]
    return lines
