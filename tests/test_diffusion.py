"""The diffusion head and the denoising loop."""

import copy
import math

import pytest
import torch
from conftest import ORDER, WEATHER, make_pair, tool_of

from lafunc import LaFuncConfig
from lafunc.compiling_lafunc import compile_tool
from lafunc.denoising_lafunc import Denoiser, embed
from lafunc.diffusion_lafunc import KINDS, MASK, NULL, SCHEDULES, DiffusionHead
from lafunc.filling_lafunc import Reader
from lafunc.language_lafunc import accepts
from lafunc.node_lafunc import Slot
from lafunc.output_lafunc import Stats
from lafunc.request_lafunc import FILLERS
from lafunc.scaffolding_lafunc import Scaffold

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
