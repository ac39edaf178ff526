"""Retention: in chat and think mode LaFuNC must be the base, bit for bit.

The base is loaded a second time, without LaFuNC, and is asked through its own tokenizer and chat template. Each
question is put to both in both modes, and after the first mode LaFuNC makes a tool call, so that all but the first
answers are given by a model that has been in tool mode. Compared are

    prompts   the token ids that LaFuNC's base reads, and those that the base's own template makes
    logits    of one pass over the base's prompt, with `torch.equal`
    texts     written greedily, each by its own model; a second turn continues with the base's first answer
    weights   a SHA-256 over all tensors of both bases, before and after

Where the prompts differ, the texts are compared on the base's prompt. A base whose template knows no thinking has one
prompt for both modes: both are run nevertheless.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from .. import LaFuncModel, LaFuncProcessor
from ..base_lafunc import load_base, load_tokenizer
from . import results
from .bfcl import EvaluationError
from .checkpoint import add_checkpoint, load_checkpoint

QUESTIONS = Path(__file__).parent / "questions"
MODES = ("chat", "think")
COMPARED = ("prompt", "logits", "text")
SEARCH = {
    "name": "search",
    "description": "Search for information.",
    "parameters": {
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "What to look for", "maxLength": 16},
            "limit": {"type": "integer", "minimum": 1, "maximum": 9},
        },
        "required": ["query", "limit"],
    },
}


@dataclass
class Question:
    """What a user says, turn by turn."""

    set: str
    id: int
    turns: list[str]


def load_questions(limit: int | None = None) -> list[Question]:
    """The questions in [questions/](questions/README.md), the first `limit` of each set.

    Raises:
        EvaluationError: `limit` is below 1.
    """
    if limit is not None and limit < 1:
        raise EvaluationError(f"limit must be at least 1, got {limit}")
    mt_bench = [Question("mt_bench", row["question_id"], row["turns"]) for row in _read("mt_bench")]
    gsm8k = [Question("gsm8k", row["index"], [row["question"]]) for row in _read("gsm8k")]
    return mt_bench[:limit] + gsm8k[:limit]


def _read(name: str) -> list[dict[str, Any]]:
    lines = (QUESTIONS / f"{name}.jsonl").read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines if line]


def weights_hash(model: PreTrainedModel) -> str:
    """SHA-256 over all parameters and buffers of a model: names, types, shapes, bytes."""
    digest = hashlib.sha256()
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


class Comparison:
    """LaFuNC and a base that was loaded without it.

    Args:
        model, processor: LaFuNC.
        base, tokenizer: the base's own.
        max_new_tokens: of an answer.

    Raises:
        EvaluationError: the base's tokenizer has no chat template, so there is no chat of the base's own.
    """

    def __init__(
        self,
        model: LaFuncModel,
        processor: LaFuncProcessor,
        base: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        max_new_tokens: int,
    ):
        if not tokenizer.chat_template:
            raise EvaluationError("the base's tokenizer has no chat template, so there is no chat to compare with")
        self.model, self.processor = model, processor
        self.base: Any = base
        self.tokenizer: Any = tokenizer
        self.generation: dict[str, Any] = {"max_new_tokens": max_new_tokens, "do_sample": False}
        self.thinks = "enable_thinking" in tokenizer.get_chat_template()

    def answer(self, question: Question) -> dict[str, Any]:
        """A question in both modes, with a tool call between them: the row of a journal."""
        row: dict[str, Any] = {"set": question.set, "id": question.id, "chat": self._turns(question, "chat")}
        out: Any = self.model.generate_tool_call(
            [{"role": "user", "content": question.turns[0]}],
            [SEARCH],
            processor=self.processor,
            mode="tool",
            filler="verified",  # drafts and checks: passes of the head and of the base, on a cache that is cut back
            parallel_tool_calls=False,
        )
        return {**row, "tool_calls": len(out.tool_calls), "think": self._turns(question, "think")}

    def _turns(self, question: Question, mode: str) -> list[dict[str, Any]]:
        messages: list[dict[str, str]] = []
        turns = []
        for text in question.turns:
            messages.append({"role": "user", "content": text})
            turns.append(self._turn(messages, mode))
            messages.append({"role": "assistant", "content": turns[-1]["base"]})
        return turns

    @torch.no_grad()
    def _turn(self, messages: Sequence[Mapping[str, str]], mode: str) -> dict[str, Any]:
        thinking = {"enable_thinking": mode == "think"} if self.thinks else {}
        prompt = self.tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_dict=False, **thinking
        )
        ids = torch.tensor([prompt], device=self.base.device)  # [1, P]
        attention_mask = torch.ones_like(ids)

        def decode(written: torch.Tensor) -> str:
            return self.tokenizer.decode(written[0, len(prompt) :], skip_special_tokens=True)

        written = self.base.generate(ids, attention_mask=attention_mask, **self.generation)
        reads: list[list[int]] = []
        handle = self.model.get_input_embeddings().register_forward_pre_hook(
            lambda _, inputs: reads.append(inputs[0][0].tolist())
        )
        try:
            out: Any = self.model.generate_tool_call(messages, processor=self.processor, mode=mode, **self.generation)
        finally:
            handle.remove()
        text, same_prompt = out.text, reads[0] == prompt
        if not same_prompt:
            text = decode(self.model.generate(ids, attention_mask=attention_mask, **self.generation))
        logits, own = self.model(ids).logits, self.base(ids).logits  # [1, P, V]
        turn: dict[str, Any] = {
            "prompt_equal": same_prompt,
            "logits_equal": logits.dtype == own.dtype and torch.equal(logits, own),
            "tokens": written.shape[1] - len(prompt),
            "base": decode(written),
            "lafunc": text,
        }
        turn["text_equal"] = turn["base"] == turn["lafunc"]
        if not same_prompt:
            turn["prompts"] = {"base": self.tokenizer.decode(prompt), "lafunc": self.tokenizer.decode(reads[0])}
        return turn


def retention(
    model: LaFuncModel,
    processor: LaFuncProcessor,
    base: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[Question],
    max_new_tokens: int,
    journal: results.Journal,
) -> dict[str, Any]:
    """Compare LaFuNC with a base that was loaded without it.

    Args:
        journal: rows that are there already are not made again.

    Returns:
        `equal`, whether everything is; `thinks`, whether the base's template knows thinking; by `sets` and mode how
        many turns were compared and how many prompts, logits and texts are equal; `different` turns with both texts;
        the `weights`.

    Raises:
        EvaluationError: see [`Comparison`]; RequestError if a question is too long for the base.
    """
    comparison = Comparison(model, processor, base, tokenizer, max_new_tokens)
    before = {"base": weights_hash(base), "lafunc": weights_hash(model.base)}
    rows = {(row["set"], row["id"]): row for row in journal.rows}
    missing = [question for question in questions if (question.set, question.id) not in rows]
    done = len(questions) - len(missing)
    for question in tqdm(missing, "retention", initial=done, total=len(questions), unit="question", file=sys.stderr):
        row = rows[question.set, question.id] = comparison.answer(question)
        journal.add(row)
    after = {"base": weights_hash(base), "lafunc": weights_hash(model.base)}

    sets: dict[str, dict[str, dict[str, int]]] = {}
    different = []
    for question in questions:
        row = rows[question.set, question.id]
        for mode in MODES:
            counts = sets.setdefault(question.set, {}).setdefault(
                mode, dict.fromkeys(("turns", "tokens", *COMPARED), 0)
            )
            for at, turn in enumerate(row[mode], 1):
                counts["turns"] += 1
                counts["tokens"] += turn["tokens"]
                for name in COMPARED:
                    counts[name] += turn[f"{name}_equal"]
                if not all(turn[f"{name}_equal"] for name in COMPARED):
                    different.append({"set": question.set, "id": question.id, "mode": mode, "turn": at, **turn})
    weights_equal = len({*before.values(), *after.values()}) == 1
    return {
        "equal": weights_equal and not different,
        "thinks": comparison.thinks,
        "sets": sets,
        "tool_calls": sum(rows[question.set, question.id]["tool_calls"] for question in questions),
        "weights": {"equal": weights_equal, "before": before, "after": after},
        "different": different,
    }


# ------------------------------------------------------------------------------------------------ command line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `lafunc eval retention`."""
    add_checkpoint(parser)
    parser.add_argument("--max-new-tokens", type=int, default=64, metavar="N", help="of an answer; default: 64")
    parser.add_argument("--limit", type=int, metavar="N", help="questions per set; default: all")
    parser.add_argument("--out", type=Path, default=Path("results/retention.json"), metavar="FILE", help="result file")


def run(options: argparse.Namespace) -> int:
    """`lafunc eval retention`; returns the exit status: 0 if everything is equal, 1 if not.

    Raises:
        EvaluationError: the checkpoint does not say where its base comes from; or see [`load_checkpoint`].
        CheckpointError: the checkpoint or its base cannot be loaded.
    """
    questions = load_questions(options.limit)
    model, processor, about = load_checkpoint(options.checkpoint)
    source, revision = model.config.base, model.config.base_revision
    if source is None:
        raise EvaluationError(
            f"{options.checkpoint} does not say where its base comes from, so there is none to compare with; set "
            "`base` in its config.json"
        )
    base = load_base(source, revision, dtype=model.dtype)
    settings = {
        "checkpoint": about,
        "weights": weights_hash(base),
        "max_new_tokens": options.max_new_tokens,
        "limit": options.limit,
    }
    journal = results.Journal(options.out, settings)
    tokenizer = load_tokenizer(source, revision)
    data = retention(model, processor, base, tokenizer, questions, options.max_new_tokens, journal)
    results.write(options.out, "retention", settings, data, options.arguments)
    journal.pack()
    print(
        "| set | mode | turns | tokens | equal prompts | equal logits | equal texts |\n|---|---|---|---|---|---|---|"
    )
    for name, modes in data["sets"].items():
        for mode, counts in modes.items():
            print(f"| {name} | {mode} | {' | '.join(map(str, counts.values()))} |")
    print()
    if not data["thinks"]:
        print("the base's chat template knows no thinking: both modes have the same prompts")
    print(f"tool calls in between: {data['tool_calls']}; weights {'equal' if data['weights']['equal'] else 'DIFFER'}")
    print("all equal" if data["equal"] else f"NOT equal: {len(data['different'])} turns differ")
    print(f"\n{options.out}")
    return 0 if data["equal"] else 1
