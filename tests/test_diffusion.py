"""The diffusion head, its decoding, and the denoising loop."""

import copy
import gc
import itertools
import math
import random
import time
import weakref

import pytest
import torch
from conftest import ORDER, WEATHER, make_pair
from hypothesis import given, settings
from hypothesis import strategies as st

from lafunc import LaFuncConfig
from lafunc.compiling_lafunc import compile_tool
from lafunc.denoising_lafunc import Denoiser, embed
from lafunc.diffusion_lafunc import _GRAPHS, KINDS, MASK, NULL, SCHEDULES, Blank, DiffusionHead, best_strings, commit
from lafunc.filling_lafunc import Reader
from lafunc.language_lafunc import Automaton, accepts
from lafunc.node_lafunc import Slot
from lafunc.output_lafunc import Stats
from lafunc.request_lafunc import FILLERS
from lafunc.scaffolding_lafunc import Scaffold
from lafunc.vocabulary_lafunc import TokenClass

# --------------------------------------------------------------------------------------------------------------------
# The best string
# --------------------------------------------------------------------------------------------------------------------

TOKENS = 4  # of the toy vocabulary; column 4 is <NULL>


def random_automaton(chance: random.Random) -> Automaton:
    """Nondeterministic, with overlapping token classes, dead ends and loops."""
    states = range(chance.randint(1, 4))
    table = {
        state: tuple(
            (TokenClass(chance.sample(range(TOKENS), chance.randint(1, 3))), chance.choice(states))
            for _ in range(chance.randint(0, 3))
        )
        for state in states
    }
    accepting = {state for state in states if chance.random() < 0.4}
    return Automaton(0, table.__getitem__, accepting.__contains__)


def best_string(language: Automaton, log_probs: torch.Tensor, optional: bool, standing=None):
    """`best_strings` of one slot, wholly masked unless something stands."""
    (found,) = best_strings([Blank(language, standing or [MASK] * len(log_probs), optional)], log_probs)
    return found


def by_walking(language: Automaton, log_probs: torch.Tensor, optional: bool) -> tuple[list[int], float] | None:
    """`best_string` as plainly as it can be written: a dict of the states reached, one position after another."""
    rows = log_probs.tolist()
    tail = [sum(row[-1] for row in rows[at:]) for at in range(len(rows) + 1)]
    ends = [(tail[0], [])] if optional or language.accepting(language.start) else []
    frontier = {language.start: (0.0, [])}
    for at, row in enumerate(rows):
        reached: dict = {}
        for state, (score, written) in frontier.items():
            for group, to in language.edges(state):
                token = max(group.ids, key=row.__getitem__)
                if score + row[token] > reached.get(to, (-math.inf,))[0]:
                    reached[to] = (score + row[token], [*written, token])
        frontier = reached
        ends += [(s + tail[at + 1], written) for to, (s, written) in reached.items() if language.accepting(to)]
    score, tokens = max(ends, key=lambda end: end[0], default=(-math.inf, []))
    return None if score == -math.inf else (tokens, score)


def by_brute_force(language: Automaton, log_probs: torch.Tensor, optional: bool) -> float:
    """The score of the best filling, -inf if there is none."""
    length, best = len(log_probs), -math.inf
    for count in range(length + 1):
        for tokens in itertools.product(range(TOKENS), repeat=count):
            if accepts(language, tokens) or (optional and not tokens):
                best = max(best, score_of(tokens, log_probs))
    return best


def score_of(tokens, log_probs: torch.Tensor) -> float:
    filling = [*tokens, *[TOKENS] * (len(log_probs) - len(tokens))]
    return sum(float(log_probs[at, token]) for at, token in enumerate(filling))


@pytest.mark.parametrize("optional", [False, True])
@pytest.mark.parametrize("committed", [0, 1, 2])
def test_the_best_string_is_the_best_of_all_strings(optional, committed):
    for seed in range(150):
        chance = random.Random(seed)
        language, length = random_automaton(chance), chance.randint(1, 4)
        chances = torch.Generator().manual_seed(seed)
        log_probs = (torch.randn(length, TOKENS + 1, generator=chances) * 2).log_softmax(-1)
        for at in chance.sample(range(length), min(committed, length)):
            only = chance.randrange(TOKENS + 1)
            log_probs[at] = torch.full((TOKENS + 1,), -math.inf).index_fill(0, torch.tensor(only), 0.0)
        expected = by_brute_force(language, log_probs, optional)
        found = best_string(language, log_probs, optional)
        if expected == -math.inf:
            assert found is None
            continue
        tokens, score = found
        assert accepts(language, tokens) or (optional and not tokens)
        assert score == pytest.approx(expected, abs=1e-4)
        assert score_of(tokens, log_probs) == pytest.approx(expected, abs=1e-4)


def test_a_slot_without_room_for_any_string_has_no_best_string():
    language = Automaton(
        0, lambda state: ((TokenClass([1]), state + 1),) if state < 3 else (), lambda state: state == 3
    )
    uniform = torch.full((2, TOKENS + 1), -1.0)
    assert best_string(language, uniform, optional=False) is None
    assert best_string(language, uniform, optional=True) == ([], -2.0)


@st.composite
def slots(draw) -> tuple[Automaton, list[list[float]], bool]:
    """An automaton over the toy vocabulary, a score per token and position (often forbidden), optional or not."""
    states = draw(st.integers(1, 5))
    group = st.sets(st.integers(0, TOKENS - 1), min_size=1).map(TokenClass)
    edge = st.tuples(group, st.integers(0, states - 1))
    table = draw(st.lists(st.lists(edge, max_size=4), min_size=states, max_size=states))
    accepting = draw(st.sets(st.integers(0, states - 1)))
    score = st.just(-math.inf) | st.floats(-20, 0, width=32)
    rows = st.lists(st.lists(score, min_size=TOKENS + 1, max_size=TOKENS + 1), min_size=1, max_size=6)
    return Automaton(0, lambda at: tuple(table[at]), accepting.__contains__), draw(rows), draw(st.booleans())


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(slots(), min_size=1, max_size=4))
def test_slots_decoded_together_get_what_each_gets_alone(drawn):
    blanks = [Blank(language, [MASK] * len(rows), optional) for language, rows, optional in drawn]
    together = best_strings(blanks, torch.tensor([row for _, rows, _ in drawn for row in rows]))
    for found, (language, rows, optional) in zip(together, drawn, strict=True):
        expected = by_walking(language, torch.tensor(rows), optional)
        if expected is None:
            assert found is None
            continue
        assert accepts(language, found[0]) or (optional and not found[0])
        assert found[1] == pytest.approx(expected[1], abs=1e-6)
        assert score_of(found[0], torch.tensor(rows)) == pytest.approx(expected[1], abs=1e-6)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(slots(), st.data())
def test_what_stands_is_certain(drawn, data):
    language, rows, optional = drawn
    standing = data.draw(st.lists(st.just(MASK) | st.integers(-2, TOKENS - 1), min_size=len(rows), max_size=len(rows)))
    masked = [row for row, token in zip(rows, standing, strict=True) if token == MASK]
    found = best_string(language, torch.tensor(masked).view(-1, TOKENS + 1), optional, standing)
    certain = torch.tensor(rows)
    for at, token in enumerate(standing):
        if token != MASK:
            certain[at] = -math.inf
            certain[at, -1 if token == NULL else token] = 0.0
    expected = by_walking(language, certain, optional)
    assert (found is None) == (expected is None)
    if found is not None:
        assert found[1] == pytest.approx(expected[1], abs=1e-6)
        assert score_of(found[0], certain) == pytest.approx(expected[1], abs=1e-6)


def test_of_equally_probable_strings_a_shortest_is_chosen():
    some = Automaton(0, lambda at: ((TokenClass([2, 1]), 0),), lambda at: True)
    for _ in range(3):
        assert best_string(some, torch.full((3, TOKENS + 1), -1.0), optional=False) == ([], -3.0)


SCHEMAS = {
    "any": {},
    "map": {"type": "object"},
    "long string": {"type": "string", "maxLength": 300},
    "string": {"type": "string", "minLength": 3},
    "array": {"type": "array", "minItems": 2, "maxItems": 9, "items": {"type": ["number", "null"]}},
    "enum": {"enum": [f"member {at * 7919 % 5000}" for at in range(300)]},
    "number": {"type": "number", "minimum": -12.5, "maximum": 99.25},
}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_real_languages_are_decoded_as_by_walking(pair, schema):
    vocabulary = pair.processor.vocabulary
    tool = compile_tool(tool_of(SCHEMAS[schema], "a"), vocabulary)
    language = tool.arguments(0).members[0].node.language
    for seed in range(3):
        log_probs = torch.randn(12, len(vocabulary) + 1, generator=torch.Generator().manual_seed(seed)).mul(3)
        log_probs = log_probs.log_softmax(-1)
        expected, found = by_walking(language, log_probs, False), best_string(language, log_probs, False)
        assert found[0] == expected[0] and accepts(language, found[0])
        assert found[1] == pytest.approx(expected[1], abs=1e-6)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_no_language_is_slow(pair, schema):
    """Measured: a few milliseconds at most, once a language is known. The bound leaves room for busy machines."""
    vocabulary = pair.processor.vocabulary
    tool = compile_tool(tool_of(SCHEMAS[schema], "a"), vocabulary)
    language = tool.arguments(0).members[0].node.language
    log_probs = torch.randn(24, len(vocabulary) + 1).log_softmax(-1)
    seconds = []
    for _ in range(4):
        begin = time.process_time()
        best_string(language, log_probs, False)
        seconds.append(time.process_time() - begin)
    assert seconds[0] < 2 and min(seconds[1:]) < 0.05


def test_a_graph_is_freed_with_its_language():
    language = random_automaton(random.Random(0))
    best_string(language, torch.zeros(3, TOKENS + 1), True)
    known, gone = len(_GRAPHS), weakref.ref(language)
    del language
    gc.collect()
    assert gone() is None and len(_GRAPHS) < known


# --------------------------------------------------------------------------------------------------------------------
# Schedules
# --------------------------------------------------------------------------------------------------------------------

YES, NO = True, False
COMMITS = {
    # schedule, sure, entropy, open, steps left, expected
    "half of the open, the surest": ("confidence", [-3, -1, -2, -4], [9] * 4, [YES] * 4, 2, [NO, YES, YES, NO]),
    "rounded up": ("confidence", [-3, -1, -2], [9] * 3, [YES] * 3, 2, [NO, YES, YES]),
    "open ones only": ("confidence", [0, -5, -9, -7], [9] * 4, [NO, YES, YES, YES], 3, [YES, YES, NO, NO]),
    "ties in order": ("confidence", [-1] * 4, [9] * 4, [YES] * 4, 4, [YES, NO, NO, NO]),
    "-inf is least sure": ("confidence", [-math.inf, -1], [9] * 2, [YES] * 2, 2, [NO, YES]),
    "entropies within the bound": ("entropy_bound", [0] * 4, [0.6, 0.1, 2.0, 0.5], [YES] * 4, 2, [YES, YES, NO, YES]),
    "the one that exceeds it": ("entropy_bound", [0] * 3, [0.9, 0.9, 0.9], [YES] * 3, 2, [YES, YES, NO]),
    "at least one": ("entropy_bound", [0] * 3, [5.0, 4.0, 6.0], [YES] * 3, 2, [NO, YES, NO]),
    "committed ones do not count": ("entropy_bound", [0] * 3, [0.0, 7.0, 6.0], [NO, YES, YES], 2, [YES, NO, YES]),
    "keep 70 % of ten": (
        "conservative", [-9, -1, -2, -3, -4, -5, -6, -7, -8, -10], [9] * 10, [YES] * 10, 3, [NO] + [YES] * 7 + [NO] * 2
    ),
    "rounded up as well": ("conservative", [-1, -2, -3, -4], [9] * 4, [YES] * 4, 2, [YES, YES, YES, NO]),
    "committed ones may be revised": (
        "conservative", [-9, -1, -1, -1], [9] * 4, [NO, NO, NO, YES], 2, [NO, YES, YES, YES]
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", COMMITS)
def test_commit(case):
    schedule, sure, entropy, open, steps_left, expected = COMMITS[case]
    found = commit(
        schedule,
        torch.tensor(sure, dtype=torch.float),
        torch.tensor(entropy, dtype=torch.float),
        torch.tensor(open),
        steps_left,
        keep=0.7,
        bound=1.0,
    )
    assert found.tolist() == expected


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_last_step_commits_everything(schedule):
    sure, open = torch.tensor([-1.0, -50.0, -2.0]), torch.tensor([True, True, False])
    assert commit(schedule, sure, -sure, open, 1, 0.7, 1.0).all()


@pytest.mark.parametrize("schedule", ["confidence", "entropy_bound"])
@pytest.mark.parametrize("seed", range(20))
def test_committed_stays_committed_and_every_step_commits_more(schedule, seed):
    chance = torch.Generator().manual_seed(seed)
    open = torch.ones(13, dtype=torch.bool)
    for steps_left in (4, 3, 2, 1):
        if not open.any():
            break
        sure, entropy = -torch.rand(13, generator=chance), torch.rand(13, generator=chance)
        committed = commit(schedule, sure, entropy, open, steps_left, 0.7, 1.0)
        assert committed[~open].all()
        assert committed.sum() > (~open).sum()
        open = ~committed
    assert not open.any()


# --------------------------------------------------------------------------------------------------------------------
# The head
# --------------------------------------------------------------------------------------------------------------------

H = 12


@pytest.fixture(scope="module")
def head() -> DiffusionHead:
    torch.manual_seed(0)
    head = DiffusionHead(
        LaFuncConfig(head_hidden_size=16, head_layers=2, head_attention_heads=2, max_slot_tokens=8), H
    )
    for weight in head.parameters():
        weight.data = torch.randn_like(weight) * 0.5
    return head.eval().requires_grad_(False)


def inputs(lengths: list[int], prompts: list[int], seed: int = 0) -> dict[str, torch.Tensor]:
    """Random rows, the same whatever they are padded to: blocks on the right, prompts on the left."""
    width, prompt = max(lengths), max(prompts)
    batch = {
        "previous": torch.zeros(len(lengths), width, H),
        "embeddings": torch.zeros(len(lengths), width, H),
        "offsets": torch.zeros(len(lengths), width, dtype=torch.long),
        "kinds": torch.zeros(len(lengths), width, dtype=torch.long),
        "level": torch.arange(1, len(lengths) + 1),
        "mask": torch.zeros(len(lengths), width, dtype=torch.bool),
        "memory": torch.zeros(len(lengths), prompt, H),
        "memory_mask": torch.zeros(len(lengths), prompt, dtype=torch.bool),
    }
    for row, (length, read) in enumerate(zip(lengths, prompts, strict=True)):
        chance = torch.Generator().manual_seed(seed + row)
        batch["previous"][row, :length] = torch.randn(length, H, generator=chance)
        batch["embeddings"][row, :length] = torch.randn(length, H, generator=chance)
        batch["offsets"][row, :length] = torch.randint(0, 9, (length,), generator=chance)
        batch["kinds"][row, :length] = torch.randint(0, len(KINDS) + 1, (length,), generator=chance)
        batch["mask"][row, :length] = True
        batch["memory"][row, prompt - read :] = torch.randn(read, H, generator=chance)
        batch["memory_mask"][row, prompt - read :] = True
    return batch


def test_features_have_the_shape_of_hidden_states(head):
    assert head(**inputs([5, 3], [4, 6])).shape == (2, 5, H)


def test_logits_have_one_more_column_for_null(head):
    features, lm_head = torch.randn(7, H), torch.nn.Linear(H, 30, bias=False)
    logits = head.logits(features.bfloat16(), lm_head.bfloat16())
    assert logits.shape == (7, 31) and logits.dtype == torch.float32
    expected = features.bfloat16().float() @ head.symbols[1].bfloat16().float()
    torch.testing.assert_close(logits[:, -1], expected, rtol=0.02, atol=0.1)


def test_a_longer_neighbour_changes_nothing(head):
    alone, together = head(**inputs([5], [4])), head(**inputs([5, 9], [4, 11]))
    torch.testing.assert_close(together[:1, :5], alone, rtol=1e-4, atol=1e-4)


def test_what_stands_in_the_padding_changes_nothing(head):
    clean = inputs([5, 9], [4, 11])
    dirty = {name: value.clone() for name, value in clean.items()}
    dirty["previous"][0, 5:], dirty["embeddings"][0, 5:], dirty["memory"][0, :7] = 9.0, -9.0, 7.0
    torch.testing.assert_close(head(**dirty)[0, :5], head(**clean)[0, :5], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["previous", "embeddings", "offsets", "kinds", "memory"])
def test_every_position_sees_every_input(head, name):
    before = inputs([6], [4])
    after = {key: value.clone() for key, value in before.items()}
    after[name][0, 3] = (after[name][0, 3] + 1) % (9 if name in ("offsets", "kinds") else 1000)
    changed = (head(**after) - head(**before)).abs().amax(dim=-1)[0]
    assert (changed > 1e-6).all()


def test_the_noise_level_is_seen(head):
    before = inputs([4], [3])
    assert not torch.allclose(head(**{**before, "level": torch.tensor([4])}), head(**before))


def test_the_order_of_positions_is_seen(head):
    before = inputs([4], [3])
    flipped = {
        key: value.flip(1) if value.dim() > 1 and "memory" not in key else value for key, value in before.items()
    }
    assert not torch.allclose(head(**flipped).flip(1), head(**before), atol=1e-4)


def test_mask_and_null_have_rows_of_their_own(pair):
    base, head = pair.model.base, pair.model.head
    found = embed(base, head, torch.tensor([[MASK, 7, NULL, 0]]))
    rows = base.get_input_embeddings()(torch.tensor([7, 0]))
    torch.testing.assert_close(found[0], torch.stack([head.symbols[0], rows[0], head.symbols[1], rows[1]]))


# --------------------------------------------------------------------------------------------------------------------
# Denoising
# --------------------------------------------------------------------------------------------------------------------

PROMPT = [3, 4, 5, 6, 7]


@torch.no_grad()
def denoise(pair, tools, schedule="confidence", num_steps=2, like=None, traces=None, **config) -> Denoiser:
    """Fill one call of each tool, one row per list of tools. `like(logits)` rewrites the head's logits."""
    model = copy.deepcopy(pair.model)
    vars(model.config).update(config)
    if like is not None:
        logits = model.head.logits
        model.head.logits = lambda *args: like(logits(*args))
    vocabulary = pair.processor.vocabulary
    scaffolds = [Scaffold([compile_tool(tool, vocabulary) for tool in row], vocabulary) for row in tools]
    reader = Reader(model.base, [PROMPT] * len(tools), model.head.symbols[0], Stats())
    denoiser = Denoiser(model.head, reader, scaffolds, model.config, schedule, num_steps, traces)
    mark = reader.mark()
    denoiser.fill()
    assert reader.mark() == mark
    return denoiser


def favour(*tokens: int):
    """Logits that prefer these tokens everywhere, in this order."""

    def rewrite(logits: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros_like(logits)
        for rank, token in enumerate(tokens):
            logits[:, token] = 20.0 - rank
        return logits

    return rewrite


def tool_of(schema, *required: str) -> dict:
    return {"name": "f", "parameters": {"type": "object", "properties": {"a": schema}, "required": list(required)}}


@pytest.mark.parametrize("num_steps", [1, 2, 4])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_fixed_tokens_are_never_altered(pair, schedule, num_steps):
    denoiser = denoise(pair, [[WEATHER["function"], ORDER], [ORDER]], schedule, num_steps)
    for canvas in denoiser.canvases:
        fixed = [at for at, token in enumerate(canvas.block.tokens) if token >= 0]
        assert [canvas.tokens[at] for at in fixed] == [canvas.block.tokens[at] for at in fixed]
        assert MASK not in canvas.tokens


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_present_slot_holds_a_string_of_its_language(pair, schedule):
    (canvas,) = denoise(pair, [[WEATHER["function"], ORDER]], schedule, 3).canvases
    for piece in canvas.scaffold.write(canvas.values):
        if isinstance(piece, Slot):
            assert accepts(piece.language, canvas.values[piece.path])


def test_a_batch_fills_as_its_rows_alone_do(pair):
    together = denoise(pair, [[WEATHER["function"]], [ORDER]])
    for row, tool in enumerate((WEATHER["function"], ORDER)):
        alone = denoise(pair, [[tool]])
        assert together.canvases[row].values == alone.canvases[0].values


def test_the_number_of_passes_is_that_of_the_steps_however_many_slots_there_are(pair):
    wide = {"name": "f", "parameters": {"properties": {f"p{at}": {"type": "boolean"} for at in range(12)}}}
    for steps in (1, 2, 4):
        for tool in (tool_of({"const": "zjqxkv"}), wide):
            stats = denoise(pair, [[tool]], "confidence", steps).reader.stats
            assert (stats.base_passes, stats.head_passes) == (2, steps)


def test_a_string_that_runs_into_its_budget_is_given_more(pair):
    a = pair.processor.vocabulary.exactly(b"a")[0]
    (canvas,) = denoise(pair, [[tool_of({"type": "string"}, "a")]], like=favour(a), max_slot_tokens=70).canvases
    assert [span.budget for span in canvas.block.spans] == [70]
    assert canvas.scaffold.arguments(canvas.values)[0]["a"] == "a" * (70 - len(pair.processor.vocabulary.encode(' "')))


def test_a_string_that_fits_is_left_as_it_is(pair):
    a, null = pair.processor.vocabulary.exactly(b"a")[0], -1
    denoiser = denoise(pair, [[tool_of({"type": "string"}, "a")]], like=favour(null, a), max_slot_tokens=70)
    assert denoiser.canvases[0].scaffold.arguments(denoiser.canvases[0].values) == [{"a": ""}]
    assert denoiser.capacities[0].budgets == {}


def test_what_was_filled_is_kept_while_others_grow(pair):
    a = pair.processor.vocabulary.exactly(b"a")[0]
    parameters = {"properties": {"s": {"type": "string"}, "n": {"type": "integer"}}, "required": ["s", "n"]}
    once = denoise(pair, [[{"name": "f", "parameters": parameters}]], like=favour(a), max_slot_tokens=20)
    grown = denoise(pair, [[{"name": "f", "parameters": parameters}]], like=favour(a), max_slot_tokens=80)
    assert once.canvases[0].values[(0, "n")] == grown.canvases[0].values[(0, "n")]
    assert len(grown.canvases[0].values[(0, "s")]) == 80


def test_an_array_of_objects_grows_until_an_element_is_absent(pair):
    items = {"type": "array", "items": {"type": "object", "properties": {"x": {"const": 1}}}, "maxItems": 9}
    brace = [pair.processor.vocabulary.encode(text)[0] for text in (" {", "{")]
    (canvas,) = denoise(pair, [[tool_of(items, "a")]], like=favour(*brace)).canvases
    assert len(canvas.scaffold.arguments(canvas.values)[0]["a"]) == 9
    (canvas,) = denoise(pair, [[tool_of(items, "a")]], like=favour(-1)).canvases
    assert canvas.scaffold.arguments(canvas.values) == [{"a": []}]


def test_optional_arguments_are_absent_when_null_is_likely_and_present_when_not(pair):
    tool = tool_of({"type": "boolean"})
    for like, expected in ((favour(-1), [{}]), (lambda logits: logits.index_fill(1, torch.tensor([-1]), -50.0), None)):
        tool["parameters"]["properties"]["a"] = {"const": True}
        (canvas,) = denoise(pair, [[tool]], like=like).canvases
        assert canvas.scaffold.arguments(canvas.values) == (expected or [{"a": True}])


@pytest.fixture(scope="module")
def crafted():
    """A head that adds nothing to the base's states; `<NULL>` is crafted by the tests through `symbols`."""
    pair = make_pair("llama", max_calls=1)
    pair.model.head.out.weight.data.zero_()
    return pair


def with_null_logit(crafted, sign: float):
    """The head's `<NULL>` logit is large, of this sign, wherever the base reads the first slot position."""
    pair = copy.deepcopy(crafted)
    head, logits = pair.model.head, pair.model.head.logits

    def tilted(features, lm_head):
        found = logits(features, lm_head)
        null = features @ torch.sign(features).mean(0)  # positive for every row that resembles the mean
        found[:, -1] = sign * null.abs() * 1e3
        return found

    head.logits = tilted
    return pair


def test_a_required_value_that_is_likely_null_is_needed(crafted):
    output = with_null_logit(crafted, 1).call("Weather?", [WEATHER], filler="diffusion")
    assert output.tool_calls == []
    assert [(need.name, need.path) for need in output.needs] == [("get_weather", "$.location")]
    assert output.to_message()["content"] == output.needs[0].question == "What is the location? (City name)"


def test_a_required_value_that_is_unlikely_null_is_given(crafted):
    output = with_null_logit(crafted, -1).call("Weather?", [WEATHER], filler="diffusion")
    assert output.needs == [] and set(output.tool_calls[0].arguments) == {"location", "unit", "days"}


def test_null_competes_through_its_row_of_symbols(crafted):
    pair = copy.deepcopy(crafted)
    lm_head = pair.model.base.get_output_embeddings()
    pair.model.head.symbols.data[1] = lm_head.weight[42]
    features = torch.randn(5, pair.model.head.symbols.shape[1])
    with torch.no_grad():
        logits = pair.model.head.logits(features, lm_head)
    torch.testing.assert_close(logits[:, -1], logits[:, 42])


def test_a_value_at_the_longest_allowed_length_is_reported(pair, monkeypatch):
    a, limit = pair.processor.vocabulary.exactly(b"a")[0], pair.model.config.max_slot_tokens
    monkeypatch.setattr(pair.model.head, "logits", lambda f, lm: favour(a)(torch.zeros(len(f), lm.out_features + 1)))
    output = pair.call("Say a.", [tool_of({"type": "string"}, "a")], filler="diffusion", parallel_tool_calls=False)
    assert output.clipped == ["$[0].a"]
    assert 0 < len(output.tool_calls[0].arguments["a"]) < limit


@pytest.mark.parametrize("filler", FILLERS)
def test_a_complete_value_of_the_longest_allowed_length_is_not_reported(pair, monkeypatch, filler):
    """A constant is not cut, however long it is."""
    monkeypatch.setattr(pair.model.config, "needs_threshold", 2.0)
    text = "0123456789" * 4
    assert len(pair.processor.vocabulary.encode(text)) > pair.model.config.max_slot_tokens
    output = pair.call("?", [tool_of({"const": text}, "a")], filler=filler, parallel_tool_calls=False)
    assert output.tool_calls[0].arguments == {"a": text}
    assert output.clipped == []


@pytest.mark.parametrize("num_steps", [1, 3])
def test_the_trace_shows_every_step(pair, num_steps):
    trace: list[dict] = []
    (canvas,) = denoise(pair, [[WEATHER["function"]]], "confidence", num_steps, traces=[trace]).canvases
    first = [entry for entry in trace if entry["step"] <= num_steps][:num_steps]
    assert [(entry["stage"], entry["step"], entry["of"]) for entry in first] == [
        ("denoise", step + 1, num_steps) for step in range(num_steps)
    ]
    for entry in trace:
        assert [slot["path"] for slot in entry["slots"]] == ["$[0].location", "$[0].unit", "$[0].days"]
        for slot in entry["slots"]:
            assert len(slot["tokens"]) == len(slot["probabilities"]) == len(slot["committed"])
            assert all(0 <= p <= 1 + 1e-6 for p in slot["probabilities"])
    assert all(all(slot["committed"]) for slot in trace[-1]["slots"])
    committed = [sum(sum(slot["committed"]) for slot in entry["slots"]) for entry in first]
    assert committed == sorted(set(committed))


def test_the_trace_writes_null_where_nothing_stands(pair):
    trace: list[dict] = []
    denoise(pair, [[WEATHER["function"]]], like=favour(-1), traces=[trace])
    assert {token for slot in trace[-1]["slots"][1:] for token in slot["tokens"]} == {"<NULL>"}


def test_confidence_is_the_geometric_mean_of_the_tokens_probabilities(pair):
    trace: list[dict] = []
    tool = tool_of({"type": "integer", "minimum": 10, "maximum": 99}, "a")
    (canvas,) = denoise(pair, [[tool]], num_steps=1, traces=[trace]).canvases
    slot = trace[0]["slots"][0]
    written = [p for p, token in zip(slot["probabilities"], slot["tokens"], strict=True) if token != "<NULL>"]
    assert canvas.confidence[(0, "a")] == pytest.approx(math.prod(written) ** (1 / len(written)), rel=1e-3)
