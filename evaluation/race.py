"""LaFuNC and its peers on the same rows, interleaved: time to a complete call, paired ratios, accuracy.

Each row is answered by every system, one after the other, in an order drawn anew per row, so that a machine that slows
down slows all of them. A request begins with messages and tools: making the prompt and compiling the schemas count. An
unmeasured request to each system goes first, because libraries load and compile parts of themselves when first used.

Times and ratios are those of complete calls: a row where a system raised, or wrote no valid call, counts as wrong and
is left out of its times, and out of its ratio. How many these are, and the errors, is stated.
"""

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from tqdm import tqdm

from ..modeling_lafunc import LaFuncModel
from ..processing_lafunc import LaFuncProcessor
from .peers import Peer, PeerAnswer, find_fault
from .quantiles import quantile, spread

LAFUNC = "lafunc"  # the system that the ratios refer to
WARM_UP = (
    [{"role": "user", "content": "Wake me at 7."}],
    [
        {
            "name": "set_alarm",
            "description": "Set an alarm.",
            "parameters": {"type": "object", "properties": {"hour": {"type": "integer"}}, "required": ["hour"]},
        }
    ],
)
System = Callable[[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]], PeerAnswer]  # (messages, tools) → answer


def race(
    model: LaFuncModel,
    processor: LaFuncProcessor,
    peers: Mapping[str, Peer],
    rows: Sequence[Any],
    score: Callable[[Any, list[tuple[str, dict[str, Any]]]], Any],
    *,
    seed: int = 0,
    max_new_tokens: int = 512,
    done: Iterable[Mapping[str, Any]] = (),
    keep: Callable[[dict[str, Any]], None] | None = None,
    **options,
) -> dict[str, Any]:
    """Let LaFuNC and the peers answer the rows, one call each.

    Args:
        peers: see [`open_peers`].
        rows: with `id`, `category`, `messages` and `tools` (bare dicts).
        score: (row, calls) → verdict, whose `valid` says whether the calls are right.
        seed: of the order within each row.
        max_new_tokens: for the peers.
        done: records of an earlier run, which are not measured again.
        keep: is given each new record, such as [`Journal.add`].
        options: `filler`, `num_steps` and `schedule` of `generate_tool_call`.

    Returns:
        JSON-able: `threads`, `systems` (see [`summarize`]), and `records`, one per row, with `id`, `category`, `order`
        and `answers` (see [`answer`]) by system.
    """
    systems = {LAFUNC: lafunc_system(model, processor, **options)}
    systems |= {name: peer_system(peer, processor, max_new_tokens) for name, peer in peers.items()}
    found = {record["id"]: dict(record) for record in done}
    left = [row for row in rows if row.id not in found]
    if left:
        for system in systems.values():
            answer(system, *WARM_UP)
    for row in tqdm(left, desc="race", unit="row"):
        order = list(systems)
        random.Random(f"{seed} {row.id}").shuffle(order)  # the same when a run is taken up again
        timed = {name: answer(systems[name], row.messages, row.tools) for name in order}
        answers = {name: timed[name] for name in systems}
        for given in answers.values():
            given["correct"] = given["valid"] and bool(score(row, [tuple(call) for call in given["calls"]]).valid)
        record = {"id": row.id, "category": row.category, "order": order, "answers": answers}
        found[row.id] = record
        if keep is not None:
            keep(record)
    records = [found[row.id] for row in rows]
    summary = summarize(records)
    for name, peer in peers.items():
        summary[name]["version"] = peer.version
    return {"threads": torch.get_num_threads(), "systems": summary, "records": records}


def lafunc_system(model: LaFuncModel, processor: LaFuncProcessor, **options) -> System:
    """LaFuNC, one call in tool mode. Its `tokens` are those that the base read after the prompt."""

    def answer_with_lafunc(messages, tools):
        out: Any = model.generate_tool_call(
            messages, tools, processor=processor, mode="tool", parallel_tool_calls=False, **options
        )
        calls = [(call.name, call.arguments) for call in out.tool_calls]
        fault = " ".join(need.question for need in out.needs) or find_fault(calls, tools)
        tokens = out.stats.base_tokens - out.stats.prompt_tokens
        return PeerAnswer(calls, out.scaffold, tokens, out.stats.base_passes, fault is None, fault)

    return answer_with_lafunc


def peer_system(peer: Peer, processor: LaFuncProcessor, max_new_tokens: int = 512) -> System:
    """A peer that is given the prompt that LaFuNC reads."""

    def answer_with_peer(messages, tools):
        prompt, thought = processor.prompt(messages, tools), processor.empty_thought
        if thought and prompt[-len(thought) :] != thought:
            prompt = prompt + thought  # a thinking base shall not think, see `read_request`
        return peer.call(prompt, tools, max_new_tokens=max_new_tokens)

    return answer_with_peer


def answer(
    system: System, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """One timed answer: `seconds`, `calls`, `valid`, `tokens`, `passes`, `error`, and whether it `raised`."""
    start = time.perf_counter()
    try:
        given, raised = system(messages, tools), False
    except Exception as error:  # libraries raise what they like for schemas that they cannot honour
        given, raised = PeerAnswer([], "", 0, 0, False, f"{type(error).__name__}: {error}"), True
    return {
        "seconds": time.perf_counter() - start,
        "calls": [list(call) for call in given.calls],
        "valid": given.valid,
        "tokens": given.tokens,
        "passes": given.passes,
        "error": given.error,
        "raised": raised,
    }


def summarize(records: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What the records say of each system.

    Returns:
        By system: `rows`; `valid`, rows with a valid call; `accuracy`, right calls per row; of valid calls `seconds`
        (median, p10, p90), `tokens` and `passes` (medians); `ratio`, the system's seconds per second of LaFuNC on the
        same row (`rows` where both calls are valid, median, q1, q3; above 1 LaFuNC is faster); `raised`, rows where it
        raised; `invalid`, rows where it wrote no valid call; `errors`, the `id` and `error` of both. Figures without
        rows are None.
    """
    summary = {}
    for name in records[0]["answers"] if records else ():
        answers = [record["answers"][name] for record in records]
        valid = [given for given in answers if given["valid"]]
        ratios = [
            record["answers"][name]["seconds"] / record["answers"][LAFUNC]["seconds"]
            for record in records
            if record["answers"][name]["valid"] and record["answers"][LAFUNC]["valid"]
        ]
        seconds = [given["seconds"] for given in valid]
        raised = sum(given["raised"] for given in answers)
        summary[name] = {
            "rows": len(answers),
            "valid": len(valid),
            "accuracy": sum(given["correct"] for given in answers) / len(answers),
            "seconds": spread(seconds),
            "ratio": {
                "rows": len(ratios),
                "median": quantile(ratios, 0.5),
                "q1": quantile(ratios, 0.25),
                "q3": quantile(ratios, 0.75),
            },
            "tokens": quantile([given["tokens"] for given in valid], 0.5),
            "passes": quantile([given["passes"] for given in valid], 0.5),
            "raised": raised,
            "invalid": len(answers) - len(valid) - raised,
            "errors": [
                {"id": record["id"], "error": record["answers"][name]["error"]}
                for record in records
                if not record["answers"][name]["valid"]
            ],
        }
    return summary
