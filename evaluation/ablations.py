"""`lafunc eval ablations`: what each part of the head and of its training is good for; one thing changed at a time.

The bare base, without adapters, reads every row once, and what it made of them is kept. Each variant then trains a
new head of one size from one seed, on the same rows in the same order and for as many steps, some with adapters beside
it, and fills held-out rows whose plan is given. Small heads, few rows: the differences between variants mean
something, the figures alone do not.
"""

import argparse
import hashlib
import math
import random
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from .. import LaFuncModel, LaFuncProcessor
from ..adapters_lafunc import adapter_weights, attach_adapters
from ..base_lafunc import EMBEDDED_BASE, load_base
from ..data.rows import calls_of, prompt_of, read_rows
from ..denoising_lafunc import Canvas, Denoiser, embed, head_inputs, sources, standing
from ..diffusion_lafunc import MASK, NEVER, SCHEDULES, DiffusionHead, Prediction, Sources
from ..filling_lafunc import Cursor, Reader, write
from ..language_lafunc import accepts
from ..node_lafunc import Path as SlotPath
from ..node_lafunc import continuations
from ..objective_lafunc import Target, Written, complement, corrupt, diffusion_loss, objective, target, texts
from ..output_lafunc import Stats
from ..request_lafunc import MODES
from ..routing_lafunc import Router, listening
from ..scaffolding_lafunc import Scaffold
from . import results
from .bfcl import EvaluationError
from .markdown import number, percent, table

WIDTH, LAYERS, HEADS = 256, 3, 4
RANK = 16  # of adapters
LEARNING_RATE = 1e-3
LONGEST = 360  # tokens of a prompt
LARGEST = 96  # slot positions of a row
STEPS = 2  # denoising steps, where nothing else is said


@dataclass(frozen=True)
class Variant:
    """What differs from the head and the loss as they are.

    Attributes:
        without: weights that are zero and stay zero.
        closed: gates (see [`Prediction`]) that are never taken.
        constraint: weight of the languages in the loss.
        noise: how the two samples of a row are masked. `half`: one wholly, one by a random level; `linear`: both by
            random levels; `weighted`: the same, each position weighted by 1/t (Sahoo et al. 2024); `complementary`:
            the second masks what the first left.
        tail: weight of all `<NULL>`s is 1.
        share: of the rows; in all cases as many steps.
        distilled: the base's own answers from left to right in the place of the rows' values.
        adapters: trained beside the head, to write the values from left to right, too: on what is `written`, or on the
            `prompt` as well.
    """

    name: str
    without: tuple[str, ...] = ()
    closed: tuple[int, ...] = ()
    constraint: float = 0.5
    noise: str = "half"
    tail: bool = False
    share: float = 1.0
    distilled: bool = False
    adapters: str = ""


VARIANTS = (
    Variant("as it is"),
    Variant("no offset in the slot", without=("offset.weight", "ahead.weight")),
    Variant("no type of the slot", without=("kind.weight",)),
    Variant("no copying", without=("copy_in.weight",), closed=(1, 2)),
    Variant("no copying from anywhere", closed=(2,)),
    Variant("the base's next token is no prior of copies", without=("prior",)),
    Variant("no shift: the base's next token is not taken", without=("trust.weight",)),
    Variant("languages not in the loss", constraint=0.0),
    Variant("random levels only", noise="linear"),
    Variant("random levels, weighted 1/t", noise="weighted"),
    Variant("complementary masks", noise="complementary"),
    Variant("adapters on what is written", noise="complementary", adapters="written"),
    Variant("adapters on the prompt, too", noise="complementary", adapters="prompt"),
    Variant("all nulls count alike", tail=True),
    Variant("half of the rows", share=0.5),
    Variant("a quarter of the rows", share=0.25),
    Variant("a quarter, distilled from the base", share=0.25, distilled=True),
    Variant("an eighth of the rows", share=0.125),
)


def ways(variant: Variant) -> dict[str, tuple[int, str, bool]]:
    """How a variant is denoised, by name: steps, schedule, and whether within the slots' languages. The head as it is
    by all numbers of steps and schedules, and by one step without languages; where adapters are compared, the base
    writes from left to right, too: no steps.
    """
    found = {variant.name: (STEPS, SCHEDULES[1], True)}
    if variant == VARIANTS[0]:
        others = [(steps, schedule) for schedule in SCHEDULES for steps in (1, 2, 4)]
        found |= {
            f"{variant.name}, {n} steps, {name}": (n, name, True)
            for n, name in others
            if (n, name) != (STEPS, SCHEDULES[1])
        }
        found[f"{variant.name}, 1 step, languages not in decoding"] = (1, SCHEDULES[1], False)
    if variant.noise == "complementary":
        found[f"{variant.name}, from left to right"] = (0, "", True)
    return found


class AblatedHead(DiffusionHead):
    """The head with some gates closed."""

    closed: tuple[int, ...] = ()

    def forward(self, *args, **kwargs) -> Prediction:
        said = super().forward(*args, **kwargs)
        if not self.closed:
            return said
        gates = said.gates.index_fill(-1, torch.tensor(self.closed), NEVER)
        return replace(said, gates=gates.log_softmax(dim=-1))


class Unbound(Denoiser):
    """Fills as ever, and notes what each slot would hold by each position's likeliest token, whatever its language."""

    def fill(self, draft: bool = False) -> list[dict[SlotPath, list[int]]]:
        self.likeliest: dict[SlotPath, list[int]] = {}
        super().fill(draft)
        return [self.likeliest]

    def _propose(self, canvas: Canvas, log_probs: Tensor) -> list[int]:
        null, at = log_probs.shape[-1] - 1, 0
        for span in canvas.block.spans:
            if MASK in (canvas.tokens[place] for place in span.positions):
                tokens = log_probs[at : at + span.budget].argmax(dim=-1).tolist()
                self.likeliest[span.slot.path] = list(takewhile(lambda token: token != null, tokens))
            at += span.budget
        return super()._propose(canvas, log_probs)


class Remembered(Reader):
    """A reader of one prompt that stands right after it, and after what opens the answer, and reads nothing twice."""

    def __init__(self, *args):
        self._known: dict[tuple[int, ...], Tensor] = {}
        super().__init__(*args)

    def read(self, rows: Sequence[Sequence[int]], left: bool = False) -> Tensor:
        if left:
            return super().read(rows, left)
        key = tuple(rows[0])
        if key not in self._known:
            mark = self.mark()
            self._known[key] = super().read(rows)
            self.rewind(mark)
        return self._known[key]

    def open(self, prefaces: Sequence[Sequence[int]]) -> Tensor | None:
        return super().read(prefaces) if any(prefaces) else None


@dataclass
class Example:
    """A row that the base has read.

    Attributes:
        routing: [H], the state that the router reads.
        prompt: [P, H], its states.
        states: [R + 1, H], its states over the scaffold, the one before it first.
        mode: index into MODES; the rest is of rows in tool mode.
    """

    mode: int
    last: Tensor
    routing: Tensor
    offered: bool
    prompt: Tensor | None = None
    sources: Sources | None = None
    states: Tensor | None = None
    target: Target | None = None
    own: Target | None = None  # with the base's own values
    tokens: Sequence[int] = ()  # of the prompt
    texts: dict[str, Written] = field(default_factory=dict)  # the values, for adapters to write


@dataclass
class Trained:
    """What fills: a head, and the base, whose adapters, if any, read what is `written`, or the `prompt` as well."""

    head: AblatedHead
    base: PreTrainedModel
    adapters: str


@dataclass
class HeldOut:
    """A row to fill: right are the values' texts."""

    prompt: list[int]
    reader: Remembered
    routing: Tensor
    scaffold: Scaffold
    right: dict[SlotPath, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--train", type=Path, required=True, metavar="FILE", help="rows, as `lafunc data` writes")
    parser.add_argument("--rows", type=Path, required=True, metavar="FILE", help="held-out rows")
    parser.add_argument("--count", type=int, default=960, metavar="N", help="rows trained on; default: %(default)s")
    parser.add_argument("--held-out", type=int, default=100, metavar="N", help="rows filled; default: %(default)s")
    parser.add_argument("--batch", type=int, default=8, metavar="N", help="rows a step; default: %(default)s")
    parser.add_argument("--steps", type=int, default=120, metavar="N", help="of training; default: %(default)s")
    parser.add_argument(
        "--only", nargs="+", metavar="VARIANT", help="these variants, and not the router; others may follow"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--base", default=EMBEDDED_BASE, metavar="BASE", help="default: the embedded one")
    parser.add_argument("--out", type=Path, default=Path("results/ablations.json"), metavar="FILE")


def run(options: argparse.Namespace) -> int:
    """Train and measure every variant that the journal does not hold yet; prints what was found."""
    for path in (options.train, options.rows):
        if not path.is_file():
            raise EvaluationError(f"{path} is not there; `lafunc data build` makes train.jsonl.gz and dev.jsonl.gz")
    settings = {
        name: value for name, value in vars(options).items() if name in ("count", "held_out", "batch", "steps", "seed")
    }
    settings |= {
        name: hashlib.sha256(getattr(options, name).read_bytes()).hexdigest()[:16] for name in ("train", "rows")
    }
    settings |= {"base": options.base, "head": [WIDTH, LAYERS, HEADS], "learning_rate": LEARNING_RATE}
    variants: Sequence[Variant] = VARIANTS
    if options.only:
        if unknown := sorted({*options.only} - {variant.name for variant in VARIANTS}):
            names = ", ".join(repr(variant.name) for variant in VARIANTS)
            raise EvaluationError(f"--only: there is no variant {unknown[0]!r}; there are {names}")
        variants = [variant for variant in VARIANTS if variant.name in options.only]
    journal = results.Journal(options.out, settings)
    known = {row["name"] for row in journal.rows}
    left = [variant for variant in variants if not ways(variant).keys() <= known]
    routed = "router" in known or bool(options.only)
    if left or not routed:
        bench = Bench(options, variants)
        for variant in left:
            for found in bench.measure(variant, known):
                journal.add(found)
                print(f"{found['name']}: {found['right']} of {found['slots']} values, {found['seconds']:.0f} s")
        if not routed:
            journal.add({"name": "router", **bench.decide()})
    rows = [row for row in journal.rows if row["name"] != "router"]
    router = next((row for row in journal.rows if row["name"] == "router"), {})
    results.write(options.out, "ablations", settings, {"variants": rows, "router": router}, options.arguments)
    journal.pack()
    routed_table = router_table(router) if router else []
    print("\n".join([*ablations_table(rows), "", *routed_table, "", str(options.out)]))
    return 0


class Bench:
    """The rows that the base has read, and what trains and measures heads on them."""

    def __init__(self, options: argparse.Namespace, variants: Sequence[Variant] = VARIANTS):
        self.options = options
        self.processor = LaFuncProcessor.from_base(options.base)
        self.model = LaFuncModel.from_base(
            options.base, dtype=torch.bfloat16, head_hidden_size=WIDTH, head_layers=LAYERS, head_attention_heads=HEADS
        )
        self.base = self.model.base
        self.lm_head = self.base.get_output_embeddings()
        distilled = math.ceil(options.count * max((v.share for v in variants if v.distilled), default=0))
        self.train = list(self._examples(options.train, options.count, distilled))
        self.held_out = list(self._held_out(options.rows, options.held_out))
        # As many rows without a call as are in the file beside those with one.
        self.others = list(self._others(options.train, options.count))
        self.modes = list(self._others(options.rows, options.held_out)) + [
            Example(MODES.index("tool"), found.reader.prompt[0, -1], found.routing, True) for found in self.held_out
        ]

    # ------------------------------------------------------------------------------------------------ reading

    def _usable(self, path: Path, tool: bool) -> Iterator[tuple[Mapping[str, Any], list[int]]]:
        """Rows in random order whose prompt is short, with it."""
        rows = [row for row in read_rows(path) if (row["mode"] == "tool") == tool and not row["needs"]]
        for row in random.Random(self.options.seed).sample(rows, len(rows)):
            try:
                prompt = self.processor.prompt(prompt_of(row), row["tools"])
            except ValueError:
                continue
            if len(prompt) <= LONGEST:
                yield row, prompt

    def _laid_out(self, path: Path) -> Iterator[tuple[list[int], Scaffold, list[dict[str, Any]], Target]]:
        for row, prompt in self._usable(path, tool=True):
            tools = {tool.name: tool for tool in self.processor.compile_tools(row["tools"])}
            calls = calls_of(row)
            scaffold = Scaffold([tools[name] for name, _ in calls], self.processor.vocabulary)
            try:
                found = target(scaffold, [given for _, given in calls])
            except ValueError:
                continue
            if 0 < len(found.tokens) <= LARGEST:
                yield prompt, scaffold, [given for _, given in calls], found

    @torch.no_grad()
    def _examples(self, path: Path, count: int, distilled: int) -> Iterator[Example]:
        rows = islice(self._laid_out(path), count)
        progress = tqdm(rows, "reading", count, unit="row", file=sys.stderr)
        for n, (prompt, scaffold, given, found) in enumerate(progress):
            reader, routing = self._reader(prompt)
            tokens = found.canvas.skeleton()
            states = torch.cat([reader.prompt[0, -1:], reader.read([tokens])[0, : len(tokens)]])
            copies = sources(reader, self.processor.vocabulary)
            own = self._own(prompt, scaffold) if n < distilled else None
            if own is not None and own.canvas.skeleton() != tokens:
                own = None  # another number of elements
            yield Example(
                MODES.index("tool"),
                reader.prompt[0, -1],
                routing,
                True,
                reader.prompt[0],
                copies,
                states,
                found,
                own,
                prompt,
                self._written(scaffold, given),
            )

    def _written(self, scaffold: Scaffold, given: Sequence[Mapping[str, Any]]) -> dict[str, Written]:
        """The values as adapters learn to write them."""
        try:
            found = texts(scaffold, given, scaffold.tools)["values"]
        except ValueError:
            return {}
        return {"values": replace(found, asked={"values": found.asked["values"]})}

    def _own(self, prompt: Sequence[int], scaffold: Scaffold) -> Target | None:
        """What the base itself would write."""
        cursor = Cursor(self.processor.vocabulary, list(continuations(scaffold.chain)), max_slot_tokens=24)
        reader = Reader(self.base, [prompt], Stats())
        reader.open([self.processor.opening(prompt)])
        write(reader, [cursor])
        try:
            found = target(scaffold, scaffold.arguments(cursor.values))
        except ValueError:
            return None
        return found if len(found.tokens) <= LARGEST else None

    @torch.no_grad()
    def _held_out(self, path: Path, count: int) -> Iterator[HeldOut]:
        rows = islice(self._laid_out(path), count)
        for prompt, scaffold, given, _ in tqdm(rows, "held out", count, unit="row", file=sys.stderr):
            yield HeldOut(prompt, *self._reader(prompt), scaffold, self._texts(scaffold.read(given)))

    @torch.no_grad()
    def _others(self, path: Path, count: int) -> Iterator[Example]:
        rows = islice(self._usable(path, tool=False), count)
        for row, prompt in tqdm(rows, "chat and think", count, unit="row", file=sys.stderr):
            reader, routing = self._reader(prompt)
            yield Example(MODES.index(row["mode"]), reader.prompt[0, -1], routing, bool(row["tools"]))

    def _reader(self, prompt: list[int]) -> tuple[Remembered, Tensor]:
        """The base after a prompt, and the state that the router reads."""
        with listening() as heard:
            reader = Remembered(self.base, [prompt], Stats())
        reader.open([self.processor.opening(prompt)])
        return reader, heard[self.model.router.source(self.base)][0, -1]

    def _texts(self, values: Mapping[SlotPath, list[int]]) -> dict[SlotPath, str]:
        return {path: self.processor.vocabulary.decode(tokens) for path, tokens in values.items() if tokens}

    # ------------------------------------------------------------------------------------------------ variants

    def measure(self, variant: Variant, known: Collection[str] = ()) -> Iterator[dict[str, Any]]:
        """What a variant fills right, in all [`ways`] that are not known."""
        start = time.perf_counter()
        trained = self.trained(variant)
        for name, (steps, schedule, bound) in ways(variant).items():
            if name not in known:
                found = self.fill(trained, steps, schedule, bound)
                yield {**asdict(variant), "name": name, **found, "seconds": time.perf_counter() - start}

    def trained(self, variant: Variant) -> Trained:
        """What was trained as the variant says."""
        options = self.options
        torch.manual_seed(options.seed)
        random.seed(options.seed)
        head = AblatedHead(self.model.config, self.base.config.hidden_size)
        head.closed = variant.closed
        head.apply(self.model._init_weights)
        parameters = dict(head.named_parameters())
        for name in variant.without:
            nn.init.zeros_(parameters[name]).requires_grad_(False)
        base, moving = self.base, [weight for weight in head.parameters() if weight.requires_grad]
        if variant.adapters:
            base = load_base(options.base, dtype=torch.bfloat16).requires_grad_(False)
            attach_adapters(base, RANK)
            self.model.router.attach(base)
            for weight in adapter_weights(base):
                weight.data = weight.data.float()
                weight.requires_grad_(True)
                moving.append(weight)
        optimizer = torch.optim.AdamW(moving, lr=LEARNING_RATE, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, options.steps, pct_start=0.1)
        rows = self.train[: math.ceil(len(self.train) * variant.share)]
        if variant.distilled:
            rows = [replace(row, target=row.own) for row in rows if row.own is not None]
        order: list[Example] = []
        for _ in tqdm(range(options.steps), variant.name, unit="step", file=sys.stderr):
            if len(order) < options.batch:
                order += random.sample(rows, len(rows))
            batch, order = order[: options.batch], order[options.batch :]
            if variant.adapters:
                loss = self.adapted_loss(head, base, batch, variant)
            else:
                loss = self.loss(head, batch, variant)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(moving, 1.0)
            optimizer.step()
            schedule.step()
        for weight in adapter_weights(base):
            weight.data = weight.data.to(base.dtype)
        return Trained(head.eval(), base, variant.adapters)

    def adapted_loss(
        self, head: AblatedHead, base: PreTrainedModel, batch: Sequence[Example], variant: Variant
    ) -> Tensor:
        """The same, and how the values are written from left to right, as in training."""
        found = objective(
            base,
            self.model.router,
            head,
            [row.tokens for row in batch],
            [self.processor.opening(row.tokens) for row in batch],
            torch.tensor([row.mode for row in batch]),
            [replace(row.target, texts=row.texts) for row in batch if row.target is not None],
            samples=2,
            adapts_prompt=variant.adapters == "prompt",
        )
        means = {name: total / weight for name, (total, weight) in found.items() if weight}
        diffusion = [means[name] for name in ("tokens", "starts", "values") if name in means]
        constraint = means.get("constraint", torch.zeros(()))
        return 2 * sum(diffusion) / len(diffusion) + variant.constraint * constraint + means["nothing"]

    def loss(self, head: AblatedHead, batch: Sequence[Example], variant: Variant) -> Tensor:
        """2 · diffusion + constraint, as in training."""
        known = [example.target for example in batch if example.target is not None]
        if variant.tail:
            known = [replace(found, weights=[1.0] * len(found.weights)) for found in known]
        inputs = self._inputs(batch, known)
        sums: dict[str, tuple[Any, float]] = {}
        for sample in range(2):
            full = variant.noise == "half" and sample == 0
            level = head.noise_levels if full else random.randint(1, head.noise_levels)
            for found in known:
                if variant.noise == "complementary" and sample == 1:
                    complement(found)
                else:
                    corrupt(found, level, head.noise_levels)
            said = head(
                embeddings=embed(self.base, head, standing([found.canvas for found in known], torch.device("cpu"))),
                level=torch.full((len(known),), level),
                **inputs,
            )
            scale = head.noise_levels / level if variant.noise == "weighted" else 1.0
            for name, (total, weight) in diffusion_loss(said, inputs["sources"], known, self.lm_head).items():
                before = sums.get(name, (0.0, 0.0))
                # 1/t weighs what is learned, not how much is looked at.
                sums[name] = before[0] + scale * total, before[1] + scale * weight
        means = {name: total / weight for name, (total, weight) in sums.items() if weight}
        diffusion = [means[name] for name in ("tokens", "starts") if name in means]
        return 2 * sum(diffusion) / len(diffusion) + variant.constraint * means.get("constraint", torch.zeros(()))

    def _inputs(self, batch: Sequence[Example], known: Sequence[Target]) -> dict[str, Any]:
        """The head's inputs of rows that were read one by one, padded on the right."""
        prompts = [example.prompt for example in batch if example.prompt is not None]
        copies = [example.sources for example in batch if example.sources is not None]
        states = [example.states for example in batch if example.states is not None]
        memory = nn.utils.rnn.pad_sequence(prompts, batch_first=True)  # [B, P, H]
        lengths = torch.tensor([len(prompt) for prompt in prompts])

        def padded(tensors: Sequence[Tensor], value: int) -> Tensor:
            return nn.utils.rnn.pad_sequence([t[0] for t in tensors], batch_first=True, padding_value=value)

        return head_inputs(
            [found.canvas for found in known],
            states,
            memory,
            torch.arange(memory.shape[1])[None] < lengths[:, None],
            Sources(
                padded([copy.tokens for copy in copies], -1),
                padded([copy.places for copy in copies], 0),
                padded([copy.prompt for copy in copies], -1),
            ),
            self.lm_head.weight,
        )

    @torch.no_grad()
    def fill(self, trained: Trained, steps: int, schedule: str, bound: bool = True) -> dict[str, int]:
        """Values and rows that are right, of how many; values that their schema does not allow."""
        right = slots = extra = missing = invalid = rows = 0
        for row in tqdm(self.held_out, f"{steps} {schedule}", unit="row", file=sys.stderr, leave=False):
            values = self._filled(trained, row, steps, schedule, bound)
            got = self._texts(values)
            same = sum(got.get(path) == text for path, text in row.right.items())
            right, slots, rows = right + same, slots + len(row.right), rows + (got == row.right)
            extra += len(got.keys() - row.right.keys())
            missing += len(row.right.keys() - got.keys())
            slots_of = (piece for piece in row.scaffold.write(values) if not isinstance(piece, str))
            languages = {slot.path: slot.language for slot in slots_of}
            invalid += sum(not accepts(languages[path], values[path]) for path in languages if values.get(path))
        return {
            "right": right, "slots": slots, "extra": extra, "missing": missing, "invalid": invalid,
            "rows_right": rows, "rows": len(self.held_out),
        }  # fmt: skip

    def _filled(
        self, trained: Trained, row: HeldOut, steps: int, schedule: str, bound: bool
    ) -> Mapping[SlotPath, list[int]]:
        reader: Reader = row.reader
        if trained.adapters or not steps:
            reader = Reader(trained.base, [row.prompt], Stats(), adapts_prompt=trained.adapters == "prompt")
            reader.open([self.processor.opening(row.prompt)])
        if steps:
            kind = Denoiser if bound else Unbound
            (values,) = kind(trained.head, reader, [row.scaffold], self.model.config, schedule, steps).fill()
            return values
        ways = list(continuations(row.scaffold.chain))
        cursor = Cursor(self.processor.vocabulary, ways, max_slot_tokens=LARGEST)
        write(reader, [cursor])
        return cursor.values

    # ------------------------------------------------------------------------------------------------ the decision

    def decide(self) -> dict[str, Any]:
        """The router with and without negatives (requests that are offered tools, and need none), and on the last
        layer's states."""
        found = {}
        plain = [example for example in self.others if not example.offered]
        for name, others, part in (
            ("with negatives", self.others, "routing"),
            ("without negatives", plain, "routing"),
            ("with negatives, the last layer", self.others, "last"),
        ):
            rows = [*self.train, *others]
            states = torch.stack([getattr(row, part) for row in rows])
            router = Router(states.shape[1], self.model.config.router_hidden_size, self.model.router.layer)
            router.fit(states, torch.tensor([row.mode for row in rows]), seed=self.options.seed)
            with torch.no_grad():
                chosen = router(torch.stack([getattr(row, part) for row in self.modes])).argmax(dim=-1).tolist()
            called = MODES.index("tool")
            pairs = [(row, mode) for row, mode in zip(self.modes, chosen, strict=True)]
            asked = [(row, mode) for row, mode in pairs if row.mode == called]
            negative = [(row, mode) for row, mode in pairs if row.mode != called and row.offered]
            found[name] = {
                "rows": len(rows),
                "right": sum(row.mode == mode for row, mode in pairs), "of": len(pairs),
                "called": sum(mode == called for _, mode in asked), "due": len(asked),
                "refused": sum(mode != called for _, mode in negative), "negatives": len(negative),
            }  # fmt: skip
        return found


def ablations_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Variants as rows of a table."""
    return table(
        ["variant", "values right %", "calls right %", "missing", "extra", "invalid", "s"],
        [
            [
                row["name"],
                percent(row["right"], row["slots"]),
                percent(row["rows_right"], row["rows"]),
                str(row["missing"]),
                str(row["extra"]),
                str(row["invalid"]),
                number(row["seconds"], 0),
            ]
            for row in rows
        ],
    )


def router_table(router: Mapping[str, Any]) -> list[str]:
    """The router with and without negatives."""
    return table(
        ["router", "rows", "mode right %", "calls found %", "negatives refused %"],
        [
            [
                name,
                number(found["rows"], 0),
                percent(found["right"], found["of"]),
                percent(found["called"], found["due"]),
                percent(found["refused"], found["negatives"]),
            ]
            for name, found in router.items()
            if name != "name"
        ],
    )
