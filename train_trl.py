"""Train the router, the diffusion head and, if the recipe has them, adapters, over a frozen base, with TRL.

```
python train_trl.py --config recipes/smollm2-135m-cpu.yaml
accelerate launch --num_processes 8 train_trl.py --config recipes/smollm3-3b.yaml
```

    loss = 1.0 · decision + 2.0 · diffusion + 0.5 · constraint

Only heads and adapters move. A prompt is read once, and all that is written after it in one more pass, side by side;
the backward pass goes through the head and, with adapters, through the base at the positions of plan and scaffold, and
of the prompt if the adapters read it. Rows have the form of `data/rows.py`; those that cannot be used are skipped,
counted and reported.
"""

import hashlib
import json
import os
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from datasets import Dataset, Features, Json, Value, load_dataset
from huggingface_hub import CommitInfo
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import Sampler
from tqdm import tqdm
from transformers import DynamicCache, TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from trl import SFTConfig, SFTTrainer, TrlParser

from lafunc import LaFuncModel, LaFuncProcessor, SchemaError
from lafunc.adapters_lafunc import FILE, FOLDER, adapter_weights, load_adapters
from lafunc.base_lafunc import CheckpointError, decoder_layers
from lafunc.data.rows import calls_of, prompt_of
from lafunc.evaluation import results
from lafunc.filling_lafunc import slides
from lafunc.model_card.push import push
from lafunc.objective_lafunc import Asked, Target, target, texts
from lafunc.output_lafunc import Stats
from lafunc.planning_lafunc import SIDE_BY_SIDE, argument_texts, name_texts, states_after
from lafunc.processing_lafunc import RequestError
from lafunc.publishing_lafunc import PublishError
from lafunc.request_lafunc import MODES
from lafunc.routing_lafunc import OFTEN, listening
from lafunc.scaffolding_lafunc import Scaffold

# As memory-mapped text: rows of one set have tools and arguments of all shapes.
COLUMNS = Features(
    {"messages": Json(), "tools": Json(), "mode": Value("string"), "source": Value("string"), "needs": Json()}
)
PARTS = {
    "decision": ("modes", "call", "tools", "arguments", "plan", "more", "another", "next"),
    "diffusion": ("tokens", "starts", "values"),
    "constraint": ("constraint",),
}


SHAPE = (
    "base",
    "router_layer",
    "router_hidden_size",
    "head_hidden_size",
    "head_layers",
    "head_attention_heads",
    "adapter_rank",
    "adapts_prompt",
    "noise_levels",
    "max_slot_tokens",
)
RECORD = "training.json"
READ = ("states", "tools", "called", "tools_of", "arguments", "given", "arguments_of")  # for the router
LEAST = 3  # rows of a kind, or a router cannot be fitted
TOO_LONG = "the prompt is too long"
SPECIAL = ("bos_token_id", "eos_token_id", "pad_token_id")


class TrainingError(RuntimeError):
    """A run that cannot go on: why, what was saved, and what to do."""


@dataclass
class LaFuncTrainingConfig(SFTConfig):
    """What [`LaFuncTrainer`] is told beside TRL's own arguments; the defaults are those of the SmolLM3-3B recipe.

    Args:
        base: what the heads are made for, see [`LaFuncModel.from_base`]; not with `checkpoint`.
        checkpoint: heads to go on from.
        train_file, eval_file: rows, JSON lines, see `data/rows.py`; for training one file or several.
        head: fields of [`LaFuncConfig`] for new heads, such as `head_hidden_size`; with `checkpoint` only
            `adapts_prompt`.
        decision_weight, diffusion_weight, constraint_weight: of the three parts of the loss.
        noise_samples: how often each scaffold is masked anew once its prompt has been read.
        router_rows: after training, the router is fitted to so many rows, half without a call; of the others six in
            sixteen have several, and three one that lacks a value; 0: it is trained with the rest only, and says
            nothing of single tools. With num_train_epochs 0 nothing else is.
        max_prompt_tokens, max_block_tokens: rows with a longer prompt, or more slot positions, are skipped.
        still_layers: the adapters of so many first layers of the base stay as they are, and the backward pass ends
            above them.
    """

    base: str | None = None
    checkpoint: str | None = None
    train_file: list[str] | None = None
    eval_file: str | None = None
    head: dict[str, Any] = field(default_factory=dict)
    decision_weight: float = 1.0
    diffusion_weight: float = 2.0
    constraint_weight: float = 0.5
    noise_samples: int = 2
    router_rows: int = 0
    max_prompt_tokens: int = 1024
    max_block_tokens: int = 512
    still_layers: int = 0

    per_device_train_batch_size: int = 48
    learning_rate: float = 1e-4
    lr_scheduler_type: str = "cosine"
    warmup_steps: float = 2500
    num_train_epochs: float = 3.0
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    ddp_find_unused_parameters: bool = False  # every head takes part in every batch
    gradient_checkpointing: bool = False  # the base runs without gradient, and the head is small
    remove_unused_columns: bool = False
    dataset_kwargs: dict[str, Any] = field(default_factory=lambda: {"skip_prepare_dataset": True})


class Collator:
    """Rows to batches of prompts, modes and targets.

    Attributes:
        skipped: how many rows could not be used, by reason.
    """

    def __init__(
        self,
        processor: LaFuncProcessor,
        max_prompt_tokens: int,
        max_block_tokens: int,
        adapters: bool,
        asks: bool = False,
    ):
        self.processor, self.adapters, self.asks = processor, adapters, asks
        self.max_prompt_tokens, self.max_block_tokens = max_prompt_tokens, max_block_tokens
        self.skipped: Counter[str] = Counter()

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        prompts: list[list[int]] = []
        prefaces, modes, targets, questions, used = [], [], [], [], []
        for row in rows:
            try:
                prompt, found = self.read(row)
                question = asked(row, self.processor) if self.asks else None
            except (ValueError, LookupError, TypeError) as error:
                self.skipped[_reason(error)] += 1
                continue
            prompts.append(prompt)
            prefaces.append(self.processor.opening(prompt))
            questions.append(question)
            modes.append(MODES.index(row["mode"]))
            targets.append(found)
            used.append(row)
        return {
            "prompts": prompts,
            "prefaces": prefaces or [[]],
            "modes": torch.tensor(modes, dtype=torch.long),
            "targets": targets,
            "asked": questions if self.asks else None,
            "rows": used,
        }

    def length(self, row: Mapping[str, Any]) -> dict[str, int]:
        """`length`: tokens of a row's prompt, none if it cannot be made. `calls`: how many there are. `work`: what a
        step on it takes, roughly.

        A prompt is read once; what is written is read up to three times over, forth and back, a token being about four
        characters.
        """
        try:
            length = len(self.processor.prompt(prompt_of(row), row["tools"]))
            calls = calls_of(row) if row["mode"] == "tool" else []
        except (ValueError, LookupError, TypeError):
            return {"length": 0, "calls": 0, "work": 0}
        written = len(json.dumps(calls)) if calls else 0
        return {"length": length, "calls": len(calls), "work": length + 2 * written}

    def read(self, row: Mapping[str, Any]) -> tuple[list[int], Target | None]:
        """A row's prompt and, in tool mode, its target.

        Raises:
            ValueError: the row cannot be used; RequestError and SchemaError among them.
        """
        prompt = self.processor.prompt(prompt_of(row), row["tools"])
        if len(prompt) > self.max_prompt_tokens:
            raise ValueError(TOO_LONG)
        if row["mode"] != "tool":
            return prompt, None
        tools = {tool.name: tool for tool in self.processor.compile_tools(row["tools"])}
        calls = calls_of(row)
        arguments = [given for _, given in calls]
        planned = [tools[name] for name, _ in calls]
        scaffold = Scaffold(planned, self.processor.vocabulary)
        found = target(scaffold, arguments, {tuple(need) for need in row["needs"]})
        if len(found.tokens) > self.max_block_tokens:
            raise ValueError("the scaffold is too large")
        if self.adapters and not row["needs"]:  # from left to right nothing can be left out
            found.texts = texts(scaffold, arguments, list(tools.values()))
        return prompt, found


def _reason(error: Exception) -> str:
    if isinstance(error, (RequestError, SchemaError)):
        return f"{type(error).__name__}: the tools or messages are refused"
    return (
        str(error) if isinstance(error, ValueError) and str(error).startswith("the ") else "its arguments do not fit"
    )


class SimilarLengths(Sampler[int]):
    """Rows in random order, except that those of a batch are of similar length, so that little of it is padding, and
    that no process waits long for another.

    Args:
        lengths: of the rows, or what else is to be alike, such as their work.
        batch: rows of a batch, over all processes.
        seed: with the epoch, decides the order.
    """

    POOL = 32  # batches that are sorted together

    def __init__(self, lengths: Sequence[int], batch: int, seed: int):
        self.lengths, self.batch, self.seed, self.epoch = lengths, batch, seed, 0

    def __len__(self) -> int:
        return len(self.lengths)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        chance = random.Random(f"{self.seed} {self.epoch}")
        order = chance.sample(range(len(self.lengths)), len(self.lengths))
        size = self.POOL * self.batch
        for start in range(0, len(order), size):
            pool = sorted(order[start : start + size], key=self.lengths.__getitem__)
            batches = [pool[at : at + self.batch] for at in range(0, len(pool), self.batch)]
            # A batch that is not full stays the last, or those after it would be cut elsewhere.
            rest = [batches.pop()] if len(batches[-1]) < self.batch else []
            chance.shuffle(batches)
            for batch in batches + rest:
                yield from batch


class LaFuncTrainer(SFTTrainer):
    """TRL's trainer with the three-part loss. Every part, its own parts and the accuracies are logged."""

    model: LaFuncModel
    args: LaFuncTrainingConfig
    data_collator: Collator
    train_dataset: Dataset

    def __init__(
        self,
        model: LaFuncModel,
        args: LaFuncTrainingConfig,
        train_dataset: Dataset,
        eval_dataset: Dataset | None,
        processing_class: LaFuncProcessor,
        **kwargs,
    ):
        model.head.float()  # the optimizer's steps are too small for bfloat16
        for weight in adapter_weights(model.base):
            weight.data = weight.data.float()
            weight.requires_grad_(True)
        layers = decoder_layers(model.base)
        if not 0 <= args.still_layers < len(layers):
            raise TrainingError(
                f"still_layers {args.still_layers}: of the base's {len(layers)} layers at least one is trained; give "
                f"0 to {len(layers) - 1}"
            )
        for layer in layers[: args.still_layers]:
            layer.requires_grad_(False)
        adapters = model.config.adapter_rank > 0
        collator = Collator(
            processing_class,
            args.max_prompt_tokens,
            args.max_block_tokens,
            adapters,
            asks=adapters and {"tools", "arguments"} <= {*model.config.trained},
        )
        with args.main_process_first(local=False):
            measured = train_dataset.map(collator.length, num_proc=args.dataset_num_proc, desc="Measuring prompts")
        fitting = measured.filter(lambda length: length <= args.max_prompt_tokens, input_columns="length")
        if not len(fitting):
            raise TrainingError(
                f"no prompt of {len(measured)} rows has at most {args.max_prompt_tokens} tokens; raise "
                "max_prompt_tokens"
            )
        if len(fitting) < len(measured):
            collator.skipped[TOO_LONG] = len(measured) - len(fitting)
        super().__init__(
            model=model,
            args=args,
            train_dataset=fitting,
            eval_dataset=eval_dataset,
            processing_class=processing_class,
            data_collator=collator,
            **kwargs,
        )
        self.model_accepts_loss_kwargs = False  # each batch's loss is a mean
        self.router_fit: dict[str, Any] | None = None  # what was found when the router was fitted
        self._before: list[dict[str, Any]] = []  # what was logged before the run was resumed
        self._begun = time.perf_counter()
        self.add_callback(_Announcement(self))

    def _get_train_sampler(self, train_dataset=None):
        rows: Any = self.train_dataset if train_dataset is None else train_dataset
        batch = self.args.train_batch_size * self.args.world_size
        return SimilarLengths(rows["work"], batch, self.args.seed)

    def router_rows(self) -> list[int]:
        """The rows to which the router is fitted, by length: half without a call; of the others six in sixteen with
        several, three with one that lacks a value, seven with one that does not; fewer of a kind that has fewer, then
        more of the others with a call.

        Raises:
            TrainingError: there are too few of a kind.
        """
        args, rows = self.args, self.train_dataset
        calls, lengths = rows["calls"][:], rows["length"][:]
        called, missing = [mode == "tool" for mode in rows["mode"]], [bool(needs) for needs in rows["needs"]]
        # A length of 0: the prompt cannot be made.
        usable = [n for n, length in enumerate(lengths) if length and called[n] == (calls[n] > 0)]
        none, several = [n for n in usable if calls[n] == 0], [n for n in usable if calls[n] > 1]
        lacking, whole = ([n for n in usable if calls[n] == 1 and missing[n] is lacks] for lacks in (True, False))
        half, due = args.router_rows // 2, {*several, *lacking, *whole}
        if min(half, len(due), len(none)) < max(LEAST, args.world_size):
            raise TrainingError(
                f"router_rows is {args.router_rows}, and the rows have {len(due)} with a call and {len(none)} "
                f"without; the router is fitted to no fewer than {max(LEAST, args.world_size)} of each: raise "
                "router_rows, or add such rows (`lafunc data synthesize` writes both kinds)"
            )
        chance, chosen = random.Random(args.seed), []
        several_share, lacking_share = 6 * half // 16, 3 * half // 16
        shares = (
            (none, half),
            (several, several_share),
            (lacking, lacking_share),
            (whole, half - several_share - lacking_share),
        )
        for kind, share in shares:
            chosen += chance.sample(kind, min(len(kind), share))
        others = sorted(due.difference(chosen))
        chosen += chance.sample(others, min(len(others), half - len(due.intersection(chosen))))
        return sorted(chosen, key=lengths.__getitem__)  # little padding; each process has long and short ones

    def fit_router(self, chosen: Sequence[int]) -> dict[str, Any]:
        """Fit the router to what the base makes of these rows' prompts and of their tools; see [`Router.fit`].

        Each process reads its share. What was read is kept in `output_dir`, so that a killed run goes on from there.
        """
        args, rows = self.args, self.train_dataset
        modes, sources = [MODES.index(mode) for mode in rows["mode"]], rows["source"][:]
        mine = chosen[args.process_index :: args.world_size]
        read = self._states(rows.select(mine), Path(str(args.output_dir)) / f"router-{args.process_index}.safetensors")
        shares = gather_object([(mine, read)])  # of all processes
        order = [n for part, _ in shares for n in part]
        known = torch.tensor([modes[n] for n in order])
        states = torch.cat([part["states"] for _, part in shares]).float()
        tools = [pair for _, part in shares for pair in _by_row(part, "tools", "called")]
        arguments = [pair for _, part in shares for pair in _by_row(part, "arguments", "given")]
        found = self.model.router.fit(states, known, tools, arguments, [sources[n] for n in order], args.seed)
        self.router_fit = {"rows": len(known), **found}
        if self.is_world_process_zero():
            right = f"{found['right']:,} of the {found['held_out']:,} that were kept out"
            tools_right = f"{found['tools_right']:,} of their {found['tools']:,} tools"
            tools_right += f" ({found['counts_right']:,} how often)"
            if "arguments" in found:
                tools_right += f" and {found['arguments_right']:,} of {found['arguments']:,} arguments"
            print(f"router    fitted to {len(known):,} rows; right on {right}, and on {tools_right}")
            if unknown := found.get("abroad"):
                print(
                    f"          on sources left out of the fit: {unknown['calls_right']:,} of {unknown['calls']:,} "
                    f"rows with calls, {unknown['none_right']:,} of {unknown['none']:,} without"
                )
        return found

    @torch.no_grad()
    def _states(self, rows: Dataset, file: Path) -> dict[str, Tensor]:
        """What the router reads of each row. Kept in a file while it is long.

        Returns:
            `states`: [N, H] at the prompts' ends; `tools`: [T, H] after the names of all rows' tools; `called`: [T],
            how often they are; `arguments`: [A, H] after the names of the calls' arguments; `given`: [A], whether they
            are; `tools_of`, `arguments_of`: [N] how many of these are each row's.
        """
        router, base, batch = self.model.router, self.model.base, self.args.per_device_train_batch_size
        processor, layer = self.data_collator.processor, router.source(base)
        content = hashlib.sha256(json.dumps([rows["messages"][:], rows["tools"][:]]).encode())
        about = {"rows": content.hexdigest(), "layer": str(router.layer), "base": str(self.model.config.base)}
        about["labels"] = f"called up to {OFTEN} times, given or not"
        about["adapts_prompt"] = str(self.model.config.adapts_prompt)
        about["adapters"] = hashlib.sha256(b"".join(_bytes(weight) for weight in adapter_weights(base))).hexdigest()
        known: dict[str, list[Tensor]] = {name: [] for name in READ}
        if file.is_file():
            with safe_open(file, "pt") as stored:
                if stored.metadata() == about:
                    known = {name: [stored.get_tensor(name)] for name in known}
        done = sum(map(len, known["states"]))
        progress = tqdm(total=len(rows), initial=done, desc="reading for the router", unit="row", disable=None)
        while done < len(rows):
            part = rows.select(range(done, min(done + batch, len(rows))))
            prompts = [processor.prompt(prompt_of(row), row["tools"]) for row in part]
            questions = [asked(row, processor) for row in part]
            with listening() as heard:
                reader = self.model.reader(prompts, Stats())
            reader.open([processor.opening(prompt) for prompt in prompts])
            known["states"].append(heard[layer][:, -1].cpu())
            for name, texts_of in (
                ("tools", [one.tools for one in questions]),
                ("arguments", [one.arguments for one in questions]),
            ):
                if any(texts_of):
                    known[name].append(torch.cat(states_after(reader, texts_of, layer)).cpu())
                known[f"{name}_of"].append(torch.tensor([len(each) for each in texts_of]))
            known["called"].append(torch.tensor([n for one in questions for n in one.often], dtype=torch.long))
            known["given"].append(torch.tensor([flag for one in questions for flag in one.given], dtype=torch.long))
            done += len(part)
            progress.update(len(part))
            if done // batch % 50 == 0 or done == len(rows):
                empty = known["states"][0].new_zeros(0, known["states"][0].shape[-1])
                known = {name: [torch.cat(parts or [empty])] for name, parts in known.items()}
                file.parent.mkdir(parents=True, exist_ok=True)
                save_file({name: parts[0].contiguous() for name, parts in known.items()}, file, about)
        progress.close()
        return {name: parts[0] for name, parts in known.items()}

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        args = self.args
        mode = "train" if self.model.training else "eval"
        found = model(
            prompts=inputs["prompts"],
            prefaces=inputs["prefaces"],
            modes=inputs["modes"],
            targets=inputs["targets"],
            asked=inputs["asked"],
            samples=args.noise_samples,
        )
        means = {name: total / weight for name, (total, weight) in found.items() if weight}
        loss = means.pop("nothing")
        for part, names in PARTS.items():
            parts = [means[name] for name in names if name in means]
            if parts:
                value = sum(parts) if part == "decision" else sum(parts) / len(parts)
                self._metrics[mode][part].append(float(value.detach()))
                loss = loss + getattr(args, f"{part}_weight") * value
        for name, value in means.items():
            if name not in PARTS:
                self._metrics[mode][name].append(float(value.detach()))
        self._metrics[mode]["skipped"].append(float(sum(self.data_collator.skipped.values())))
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss is {float(loss)} at step {self.state.global_step}; its rows are in "
                f"{self._save_batch(inputs)}. Look at them, lower learning_rate, and resume from the last checkpoint"
            )
        return (loss, {}) if return_outputs else loss

    def log(self, logs, start_time=None):
        """Each entry also says how many seconds of training it took so far, those before a kill included."""
        before = max((entry.get("seconds", entry.get("train_runtime", 0.0)) for entry in self._before), default=0.0)
        logs["seconds"] = round(before + time.perf_counter() - self._begun, 1)
        super().log(logs, start_time)

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        with torch.no_grad():
            return self.compute_loss(model, self._prepare_inputs(inputs)).detach(), None, None

    def _save_batch(self, inputs: Mapping[str, Any]) -> Path:
        path = Path(str(self.args.output_dir)) / f"batch-at-step-{self.state.global_step}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(inputs["rows"], ensure_ascii=False, indent=1), encoding="utf-8")
        return path

    def _save_checkpoint(self, model, trial):
        """A checkpoint that cannot be written is taken away, so that the one before stays the last."""
        folder = Path(str(self.args.output_dir)) / f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"
        try:
            super()._save_checkpoint(model, trial)
        except CheckpointError:
            raise
        except (OSError, RuntimeError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise TrainingError(
                f"{folder} could not be written ({error}); the checkpoint before it is whole. Make room and resume"
            ) from error

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        if self.model.config.adapter_rank:
            load_adapters(self.model.base, Path(resume_from_checkpoint) / FOLDER / FILE)

    def create_model_card(self, *args, **kwargs) -> None:
        """The card of the model is made by `model_card/`, from result files, when it is pushed."""

    def push_to_hub(  # type: ignore[override]
        self, commit_message="End of training", blocking=True, token=None, revision=None, private=None, **kwargs
    ) -> CommitInfo | None:
        """Publish what was trained as `lafunc push` does: checkpoint, code, card and results in one commit.

        To `hub_model_id`, which is the name of `output_dir` unless given. It always waits for the Hub, whatever
        `blocking` says; other processes than the first get None. `kwargs` are those of [`publish`].

        Raises:
            CheckpointError: the base lies where nobody else finds it.
            PublishError: the Hub did not take it.
        """
        self.save_model(_internal_call=True)
        return self._push(str(self.args.output_dir), commit_message, token, revision, private, **kwargs)

    def _push_from_checkpoint(self, checkpoint_folder):
        if self.args.hub_strategy != "end":
            self._push(checkpoint_folder, f"Training in progress, step {self.state.global_step}")

    def _push(self, folder: str, message: str, token=None, revision=None, private=None, **kwargs) -> CommitInfo | None:
        args = self.args
        if not self.is_world_process_zero():
            return None
        return push(
            Path(folder),
            args.hub_model_id or Path(str(args.output_dir)).resolve().name,
            commit_message=message,
            token=token or args.hub_token,
            revision=revision or args.hub_revision,
            private=args.hub_private_repo if private is None else private,
            **kwargs,
        )


class _Announcement(TrainerCallback):
    """Says what a run will do before it does it, and what was skipped after."""

    def __init__(self, trainer: LaFuncTrainer):
        self.trainer = trainer
        self.special = {name: getattr(trainer.model.config.get_text_config(), name) for name in SPECIAL}

    def on_train_begin(self, args, state, control, **kwargs):
        for name, token in self.special.items():  # transformers has set the tokenizer's, which need not be the base's
            setattr(self.trainer.model.config.get_text_config(), name, token)
        self.trainer._before, self.trainer._begun = list(state.log_history), time.perf_counter()
        seconds = self._seconds_a_step()  # by all processes, since they may share the layers
        if not state.is_world_process_zero:
            return
        trainer, model = self.trainer, self.trainer.model
        moving = sum(p.numel() for p in model.parameters() if p.requires_grad)
        modes = Counter(trainer.train_dataset["mode"])
        steps = state.max_steps - state.global_step
        print(f"base      {model.config.base or 'in the checkpoint'}, frozen")
        what = "router, diffusion head and adapters" if model.config.adapter_rank else "router and diffusion head"
        print(f"trained   {moving:,} parameters: {what}")
        print(f"rows      {len(trainer.train_dataset):,}: {', '.join(f'{n:,} {m}' for m, n in modes.most_common())}")
        if long := trainer.data_collator.skipped[TOO_LONG]:
            print(f"left out  {long:,} rows with a prompt of more than {args.max_prompt_tokens:,} tokens")
        print(f"steps     {steps:,} of {state.max_steps:,} left, about {_duration(steps * seconds)}")

    def _seconds_a_step(self) -> float:
        """Measured on a few batches, without moving anything."""
        trainer, state = self.trainer, torch.get_rng_state()
        chance, skipped = random.getstate(), trainer.data_collator.skipped.copy()
        size = trainer.args.per_device_train_batch_size
        batches = [trainer.train_dataset[at : at + size] for at in (0, len(trainer.train_dataset) // 2)]
        start = time.perf_counter()
        for columns in batches:
            rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
            loss = trainer.compute_loss(trainer.model, trainer._prepare_inputs(trainer.data_collator(rows)))
            loss.backward()
        seconds = (time.perf_counter() - start) / len(batches)
        trainer.model.zero_grad()
        trainer._metrics["train"].clear()
        trainer.data_collator.skipped = skipped
        torch.set_rng_state(state)
        random.setstate(chance)
        return seconds * trainer.args.gradient_accumulation_steps

    def on_train_end(self, args, state, control, **kwargs):
        if state.is_world_process_zero:
            for reason, count in self.trainer.data_collator.skipped.most_common():
                print(f"skipped   {count:,} rows: {reason}")


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{max(minutes, 1)} min"


def load_rows(files: str | Sequence[str] | None) -> Dataset:
    """Rows of one file or of several, memory-mapped.

    Raises:
        TrainingError: a file is missing, empty, or not of the form of `data/rows.py`.
    """
    paths = [str(files)] if files is None or isinstance(files, str) else list(files)
    for path in paths:
        if not Path(path).is_file():
            raise TrainingError(
                f"train_file {path!r} is not there; `lafunc data build` or `lafunc data synthesize` makes one"
            )
    try:
        rows = load_dataset("json", data_files=paths, features=COLUMNS, split="train")
    except Exception as error:
        raise TrainingError(f"{', '.join(paths)}: not rows of the form of data/rows.py: {error}") from error
    if not len(rows):
        raise TrainingError(f"{', '.join(paths)}: no rows")
    return rows


def load_heads(config: LaFuncTrainingConfig) -> tuple[LaFuncModel, LaFuncProcessor]:
    """New heads over a base, or those of a checkpoint.

    Raises:
        TrainingError: both or neither are named, or `head` would change the checkpoint's.
    """
    dtype = torch.bfloat16
    if config.checkpoint and not config.base:
        if fixed := sorted(config.head.keys() - {"adapts_prompt"}):
            raise TrainingError(f"head: the heads of a checkpoint keep their {', '.join(fixed)}; leave that out")
        model = LaFuncModel.from_pretrained(config.checkpoint, dtype=dtype, **config.head)
        return model, LaFuncProcessor.from_pretrained(config.checkpoint)
    if config.base and not config.checkpoint:
        model = LaFuncModel.from_base(config.base, dtype=dtype, **config.head)
        return model, LaFuncProcessor.from_base(config.base)
    raise TrainingError("name either a base, for new heads, or a checkpoint, to go on from")


def check_resume(model: LaFuncModel, folder: str | Path) -> None:
    """Raises TrainingError if the checkpoint was made with another base or other heads."""
    before = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    now, usual = model.config.to_dict(), type(model.config)().to_dict()
    for name in SHAPE:
        if before.get(name, usual.get(name)) != now.get(name):
            raise TrainingError(
                f"{folder} was made with {name} {before.get(name)!r}, and this run has {now.get(name)!r}; resume with "
                "the recipe that made it, or choose another output_dir"
            )


def _by_row(read: Mapping[str, Tensor], states: str, labels: str) -> list[tuple[Tensor, Tensor]]:
    """What was read of each row's tools or arguments, and the labels."""
    counts = read[f"{states}_of"].tolist()
    return list(zip(read[states].float().split(counts), read[labels].split(counts), strict=True))


def asked(row: Mapping[str, Any], processor: LaFuncProcessor) -> Asked:
    """What the router is asked of a row."""
    calls, names = calls_of(row), [tool["name"] for tool in row["tools"]]
    called = Counter(name for name, _ in calls)
    found = Asked(name_texts(names, processor.vocabulary), [called[name] for name in names], [], [])
    try:
        tools = processor.compile_tools([tool for tool in row["tools"] if tool["name"] in called]) if calls else []
    except SchemaError:  # such a row says which tools are called all the same
        return found
    for tool in tools:
        given = [arguments for name, arguments in calls if name == tool.name]
        for name, text in argument_texts(tool, processor.vocabulary).items():
            found.arguments.append(text)
            found.given.append(2 * sum(name in arguments for arguments in given) >= len(given))
    return found if sum(map(len, found.arguments)) <= SIDE_BY_SIDE else replace(found, arguments=[], given=[])


def _bytes(weight: Tensor) -> bytes:
    return weight.detach().float().cpu().numpy().tobytes()


def check_sharding(model: LaFuncModel, router_rows: int = 0) -> None:
    """Raises TrainingError for what FSDP cannot do.

    It cannot shard a base whose input embeddings are its own: they would be gathered at each use, and how often they
    are used depends on a process's rows. Nor one whose adapters read prompts: its processes wait for each other for
    ever. And before it trains there is no base that could be read.
    """
    if not model.config.get_text_config().tie_word_embeddings:
        raise TrainingError(
            "FSDP needs a base whose output shares the weights of its embeddings, as SmolLM's do; train this one "
            "without FSDP (accelerate launch --multi_gpu)"
        )
    if model.config.adapts_prompt:
        raise TrainingError(
            "adapts_prompt is for runs without FSDP; train this one without FSDP (accelerate launch --multi_gpu)"
        )
    if router_rows:
        raise TrainingError(
            "router_rows is for runs without FSDP; fit the router afterwards, in a run of its own with "
            "num_train_epochs: 0"
        )


def train(config: LaFuncTrainingConfig, arguments: Sequence[str] = ()) -> LaFuncTrainer:
    """Train as the recipe says; `resume_from_checkpoint: auto` goes on from the last one in `output_dir`.

    Beside the checkpoint, `training.json` says how it was made: the recipe, the rows, the losses; and the same of the
    checkpoint that it went on from.

    Args:
        arguments: of the command line, for that file.
    """
    rows = load_rows(config.train_file)
    held_out = load_rows(config.eval_file) if config.eval_file else None
    model, processor = load_heads(config)
    trainer = LaFuncTrainer(model, config, rows, held_out, processor)
    if trainer.is_fsdp_enabled:
        check_sharding(model, config.router_rows)
    resume = config.resume_from_checkpoint
    if resume in (True, "true", "True", "auto"):
        folders = list(Path(str(config.output_dir)).glob(f"{PREFIX_CHECKPOINT_DIR}-*"))
        folders.sort(key=lambda folder: int(folder.name.split("-")[-1]))
        resume = str(folders[-1]) if folders else None
    if resume:
        check_resume(model, resume)
    chosen = trainer.router_rows() if config.router_rows else []  # what is wrong with them is said before any work
    if config.num_train_epochs:
        attention = model.base.config._attn_implementation
        # Backwards plain products are faster on CPUs, but keep the scores of what is read with gradient: too much for
        # prompts. And where there are windows, see [`Reader`], a padded prompt's gradient would not be a number.
        plain = config.use_cpu and not model.config.adapts_prompt
        if attention == "sdpa" and (plain or slides(DynamicCache(config=model.base.config))):
            model.base.set_attn_implementation("eager")
        trainer.train(resume_from_checkpoint=resume)
        model.base.set_attn_implementation(attention)
    adapted = config.num_train_epochs and model.config.adapter_rank and processor.vocabulary.end is not None
    before = model.config.trained
    # What the router knows of tools and arguments it has read with adapters and preface as they were; unless the
    # adapters have learned what it reads.
    stale = config.head or adapted and not trainer.data_collator.asks
    named = [name for name in ("tools", "arguments") if name in before and not stale]
    diffusion = ["diffusion"] if config.num_train_epochs or "diffusion" in before else []
    calls = ["calls"] if adapted or "calls" in before else []
    model.head.to(model.base.dtype)
    for weight in adapter_weights(model.base):
        weight.data = weight.data.to(model.base.dtype)
    if chosen:
        found = trainer.fit_router(chosen)
        named = ["tools", "arguments"] if "arguments" in found else ["tools"]
    model.config.trained = ["router", *named, *diffusion, *calls]
    trainer.save_model()
    trainer.save_state()
    if trainer.is_world_process_zero():
        data = record(trainer)
        if config.checkpoint and (earlier := Path(config.checkpoint) / RECORD).is_file():
            data["before"] = results.read(earlier)
        results.write(Path(str(config.output_dir)) / RECORD, "training", recipe(config), data, ["train", *arguments])
        if config.push_to_hub:
            trainer.push_to_hub()
    return trainer


def recipe(config: LaFuncTrainingConfig) -> dict[str, Any]:
    """What differs from the defaults, but for where things lie."""
    usual = LaFuncTrainingConfig(output_dir="", use_cpu=config.use_cpu, bf16=config.bf16).to_dict()
    own = {name: value for name, value in config.to_dict().items() if value != usual[name]}
    for name in ("output_dir", "logging_dir", "resume_from_checkpoint"):
        own.pop(name, None)
    for name in {"base", "checkpoint", "train_file", "eval_file", "run_name"} & own.keys():
        places = [own[name]] if isinstance(own[name], str) else own[name]
        places = [Path(place).name if Path(place).is_absolute() else place for place in places]
        own[name] = places[0] if len(places) == 1 else places
    return own


def record(trainer: LaFuncTrainer) -> dict[str, Any]:
    """What was trained on what, and how the losses went."""
    rows = trainer.train_dataset
    return {
        "parameters": sum(weight.numel() for weight in trainer.model.trainable),
        "processes": trainer.args.world_size,
        "rows": dict(Counter(rows["mode"])),
        "sources": dict(sorted(Counter(rows["source"]).items())),
        "skipped": dict(trainer.data_collator.skipped.most_common()),
        "router": trainer.router_fit,
        "history": trainer.state.log_history,
    }


def share_gpus() -> None:
    """Let processes of a launcher take turns on the GPUs where there are more of them; accelerate means one each."""
    if torch.cuda.is_available() and (rank := os.environ.get("LOCAL_RANK")):
        os.environ["LOCAL_RANK"] = str(int(rank) % torch.cuda.device_count())


def main(arguments: Sequence[str] | None = None) -> int:
    """`lafunc train`, and what this file is when it is run."""
    arguments = sys.argv[1:] if arguments is None else arguments
    share_gpus()
    parser = TrlParser([LaFuncTrainingConfig])  # type: ignore[list-item]
    (config,) = parser.parse_args_and_config(list(arguments))
    try:
        trainer = train(config, arguments)
    except (TrainingError, CheckpointError, PublishError) as error:
        print(f"error: {error}")
        return 2
    # A process that leaves early, or whose process group is open, can be aborted by the threads of the group.
    trainer.accelerator.wait_for_everyone()
    trainer.accelerator.end_training()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
