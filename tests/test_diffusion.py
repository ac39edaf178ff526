"""The diffusion head and the denoising loop."""

import copy
import math

import pytest
import torch
from conftest import ORDER, WEATHER, make_pair, tool_of

from lafunc import LaFuncConfig
from lafunc.compiling_lafunc import compile_tool
from lafunc.denoising_lafunc import Denoiser, embed
from lafunc.diffusion_lafunc import KINDS, MASK, NULL, SCHEDULES, DiffusionHead, Sources
from lafunc.filling_lafunc import Reader
from lafunc.language_lafunc import accepts
from lafunc.node_lafunc import Slot
from lafunc.output_lafunc import Stats
from lafunc.request_lafunc import FILLERS
from lafunc.scaffolding_lafunc import Scaffold

# --------------------------------------------------------------------------------------------------------------------
# The head
# --------------------------------------------------------------------------------------------------------------------

H, V, COPY = 12, 40, 3


@pytest.fixture(scope="module")
def head() -> DiffusionHead:
    torch.manual_seed(0)
    head = DiffusionHead(
        LaFuncConfig(head_hidden_size=16, head_layers=2, head_attention_heads=2, max_slot_tokens=8), H
    )
    for weight in head.parameters():
        weight.data = torch.randn_like(weight) * 0.5
    return head.eval().requires_grad_(False)


def inputs(lengths: list[int], prompts: list[int], seed: int = 0) -> dict:
    """Random rows, the same whatever they are padded to: slots on the right, prompts on the left."""
    width, prompt = max(lengths), max(prompts)
    index = torch.zeros(len(lengths), width, dtype=torch.long)
    tokens = torch.full((len(lengths), prompt, COPY), -1)
    batch = {
        "previous": torch.zeros(len(lengths), width, H),
        "embeddings": torch.zeros(len(lengths), width, H),
        **{name: index.clone() for name in ("offsets", "ahead", "heads", "kinds", "optional")},
        "level": torch.arange(1, len(lengths) + 1),
        "mask": index.bool(),
        "memory": torch.zeros(len(lengths), prompt, H),
        "memory_mask": torch.zeros(len(lengths), prompt, dtype=torch.bool),
        "sources": Sources(tokens, torch.zeros_like(tokens), torch.full((len(lengths), prompt), -1)),
        "vectors": torch.randn(V, H, generator=torch.Generator().manual_seed(99)),
    }
    for row, (length, read) in enumerate(zip(lengths, prompts, strict=True)):
        chance = torch.Generator().manual_seed(seed + row)
        batch["previous"][row, :length] = torch.randn(length, H, generator=chance)
        batch["embeddings"][row, :length] = torch.randn(length, H, generator=chance)
        for name, high in (("offsets", 9), ("ahead", COPY), ("heads", length), ("kinds", len(KINDS))):
            batch[name][row, :length] = torch.randint(0, high, (length,), generator=chance)
        batch["mask"][row, :length] = True
        batch["memory"][row, prompt - read :] = torch.randn(read, H, generator=chance)
        batch["memory_mask"][row, prompt - read :] = True
        words = torch.randint(0, V, (read + COPY,), generator=chance)
        sources, at = batch["sources"], torch.arange(read)
        sources.prompt[row, prompt - read :] = words[:read]
        sources.tokens[row, prompt - read :] = words.unfold(0, COPY, 1)[:read]
        batch["optional"][row, :length] = torch.randint(0, 2, (length,), generator=chance)
        sources.places[row, prompt - read :] = prompt - read + (at[:, None] + torch.arange(COPY)).clamp(max=read - 1)
    return batch


def said_by(head: DiffusionHead, batch: dict, row: int = 0) -> torch.Tensor:
    """The log-probabilities of a row's positions, [S, V + 1]."""
    lm_head = torch.nn.Linear(H, V, bias=False)
    lm_head.weight.data = batch["vectors"]
    length = int(batch["mask"][row].sum())
    return head.log_probs(head(**batch), batch["sources"], row, torch.arange(length), lm_head)


def test_predictions_are_distributions_over_tokens_and_null(head):
    batch = inputs([5, 3], [4, 6])
    assert head(**batch).features.shape == (2, 5, H)
    for row, length in enumerate((5, 3)):
        found = said_by(head, batch, row)
        assert found.shape == (length, V + 1) and found.dtype == torch.float32
        torch.testing.assert_close(found.exp().sum(dim=-1), torch.ones(length), atol=1e-4, rtol=1e-4)


def test_a_longer_neighbour_changes_nothing(head):
    alone, together = inputs([5], [4]), inputs([5, 9], [4, 11])
    torch.testing.assert_close(said_by(head, together), said_by(head, alone), rtol=1e-4, atol=1e-4)


def test_what_stands_in_the_padding_changes_nothing(head):
    clean = inputs([5, 9], [4, 11])
    dirty = {name: value if name == "sources" else value.clone() for name, value in clean.items()}
    dirty["previous"][0, 5:], dirty["embeddings"][0, 5:], dirty["memory"][0, :6] = 9.0, -9.0, 7.0
    torch.testing.assert_close(said_by(head, dirty), said_by(head, clean), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["previous", "embeddings", "offsets", "ahead", "kinds", "optional", "memory"])
def test_every_position_sees_every_input(head, name):
    before = inputs([6], [4])
    after = {key: value if key == "sources" else value.clone() for key, value in before.items()}
    highs = {"offsets": 9, "kinds": len(KINDS), "ahead": COPY, "optional": 2}
    after[name][0, 3] = (after[name][0, 3] + 1) % highs.get(name, 1000)
    changed = (head(**after).features - head(**before).features).abs().amax(dim=-1)[0]
    assert (changed > 1e-6).all()


def test_the_noise_level_is_seen(head):
    before = inputs([4], [3])
    assert not torch.allclose(said_by(head, {**before, "level": torch.tensor([4])}), said_by(head, before))


def test_a_value_that_is_surely_copied_is_the_text_from_its_start_on(head):
    """With the gates shut and one start certain, position j of a slot takes the j-th token from there."""
    sure = copy.deepcopy(head)
    sure.gate.weight.data.zero_()
    sure.gate.bias.data = torch.tensor([-50.0, 50.0, -50.0, -50.0])
    sure.start_query.weight.data.zero_()
    sure.prior.data = torch.tensor([50.0])
    batch = inputs([COPY], [6])
    batch["ahead"][0], batch["heads"][0] = torch.arange(COPY), 0
    words = batch["sources"].tokens[0]
    start = 2
    batch["previous"][0, 0] = 50 * batch["vectors"][words[start, 0]]  # the base is sure of the next token
    likely = [at for at in range(6) if words[at, 0] == words[start, 0]]
    assert likely == [start]
    assert said_by(sure, batch).argmax(dim=-1).tolist() == words[start].tolist()


def test_at_first_the_head_generates_what_the_base_would(pair):
    """Without training, the token right after the base's state is the base's own; later ones are left open."""
    head = copy.deepcopy(pair.model.head)
    pair.model._init_weights(head)
    assert head.trust.weight[0] == 1 and not head.trust.weight[1:].any()


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
def denoise(pair, tools, schedule="confidence", num_steps=2, like=None, tells=None, **config) -> Denoiser:
    """Fill one call of each tool, one row per list of tools. `like(log_probs)` rewrites what the head says."""
    model = copy.deepcopy(pair.model)
    vars(model.config).update(config)
    if like is not None:
        said = model.head.log_probs
        model.head.log_probs = lambda *args: like(said(*args)).log_softmax(dim=-1)
    vocabulary = pair.processor.vocabulary
    scaffolds = [Scaffold([compile_tool(tool, vocabulary) for tool in row], vocabulary) for row in tools]
    reader = Reader(model.base, [PROMPT] * len(tools), Stats())
    denoiser = Denoiser(model.head, reader, scaffolds, model.config, schedule, num_steps, tells)
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
    """A head whose `<NULL>` gate is made by the tests."""
    pair = make_pair("llama", max_calls=1)
    pair.model.head.gate.weight.data.zero_()
    return pair


def with_null(crafted, bias: float):
    """`<NULL>` is likely (positive) or not wherever nothing is known."""
    pair = copy.deepcopy(crafted)
    pair.model.head.gate.bias.data = torch.tensor([0.0, 0.0, 0.0, bias])
    return pair


def test_a_required_value_that_is_likely_null_is_needed(crafted):
    output = with_null(crafted, 50).call("Weather?", [WEATHER], filler="diffusion")
    assert output.tool_calls == []
    assert [(need.name, need.path) for need in output.needs] == [("get_weather", "$.location")]
    assert output.to_message()["content"] == output.needs[0].question == "What is the location? (City name)"


def test_a_required_value_that_is_unlikely_null_is_given(crafted):
    output = with_null(crafted, -50).call("Weather?", [WEATHER], filler="diffusion")
    assert output.needs == [] and set(output.tool_calls[0].arguments) == {"location", "unit", "days"}


def test_a_value_at_the_longest_allowed_length_is_reported(pair, monkeypatch):
    a, limit = pair.processor.vocabulary.exactly(b"a")[0], pair.model.config.max_slot_tokens
    said = pair.model.head.log_probs
    monkeypatch.setattr(pair.model.head, "log_probs", lambda *args: favour(a)(said(*args)).log_softmax(dim=-1))
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
    (canvas,) = denoise(pair, [[WEATHER["function"]]], "confidence", num_steps, tells=[trace.append]).canvases
    trace = [entry for entry in trace if entry["stage"] == "denoise"]  # without the scaffolds with more room
    first = trace[:num_steps]
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
    denoise(pair, [[WEATHER["function"]]], like=favour(-1), tells=[trace.append])
    assert {token for slot in trace[-1]["slots"][1:] for token in slot["tokens"]} == {"<NULL>"}


def test_confidence_is_the_geometric_mean_of_the_tokens_probabilities(pair):
    trace: list[dict] = []
    tool = tool_of({"type": "integer", "minimum": 10, "maximum": 99}, "a")
    (canvas,) = denoise(pair, [[tool]], num_steps=1, tells=[trace.append]).canvases
    slot = trace[0]["slots"][0]
    written = [p for p, token in zip(slot["probabilities"], slot["tokens"], strict=True) if token != "<NULL>"]
    assert canvas.confidence[(0, "a")] == pytest.approx(math.prod(written) ** (1 / len(written)), rel=1e-3)
