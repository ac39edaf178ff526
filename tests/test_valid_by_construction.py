"""Promise 1: whatever the weights say, a call's arguments validate against the tool's schema."""

import copy
import dataclasses
import json
from types import SimpleNamespace

import jsonschema
import pytest
import torch
from conftest import ORDER, WEATHER, Pair, examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lafunc import LaFuncProcessor
from lafunc.diffusion_lafunc import SCHEDULES
from lafunc.validation_lafunc import SchemaError

SEEDS = range(4)
MESSAGES = [{"role": "user", "content": "Weather in Tokyo?"}]
NAMES = st.sampled_from(["a", "b c", 'q"', "é", "name", "$ref", ""])
SMALL = st.integers(0, 3)
NUMBERS = st.integers(-20, 20) | st.decimals(-20, 20, places=2).map(float)
SCALARS = (
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-9, 9, width=16) | st.text('aé"\\\n🎉 ', max_size=4)
)


@st.composite
def strings(draw) -> dict:
    low, high = draw(SMALL), draw(st.none() | SMALL)
    return {"type": "string", "minLength": low, **({} if high is None else {"maxLength": low + high})}


@st.composite
def numbers(draw) -> dict:
    schema: dict = {"type": draw(st.sampled_from(["integer", "number"]))}
    bounds = sorted([draw(NUMBERS), draw(NUMBERS)])
    for keywords, bound in zip(
        (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")), bounds, strict=True
    ):
        if (keyword := draw(st.sampled_from([None, *keywords]))) is not None:
            schema[keyword] = bound
    return schema


@st.composite
def arrays(draw, items) -> dict:
    low, more = draw(st.integers(0, 2)), draw(st.none() | st.integers(0, 1))
    return {
        "type": "array",
        "items": draw(items),
        "minItems": low,
        **({} if more is None else {"maxItems": low + more}),
    }


@st.composite
def objects(draw, values) -> dict:
    properties = draw(st.dictionaries(NAMES, values, min_size=1, max_size=2))
    required = [name for name in properties if draw(st.booleans())]
    closed = {"additionalProperties": False} if draw(st.booleans()) else {}
    return {"type": "object", "properties": properties, "required": required, **closed}


LEAVES = st.one_of(
    strings(),
    numbers(),
    st.sampled_from(
        [{"type": "boolean"}, {"type": "null"}, {}, True, {"$ref": "#/$defs/leaf"}, {"$ref": "#/$defs/tree"}]
    ),
    st.lists(SCALARS, min_size=1, max_size=4).map(lambda members: {"enum": members}),
    (SCALARS | st.lists(SCALARS, max_size=2)).map(lambda value: {"const": value}),
    st.lists(st.sampled_from(["string", "integer", "number", "boolean", "null"]), min_size=2, unique=True).map(
        lambda types: {"type": types}
    ),
    (strings() | numbers()).map(lambda schema: {"type": "object", "additionalProperties": schema}),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        arrays(inner),
        objects(inner),
        objects(inner).map(lambda schema: {**schema, "type": ["object", "null"]}),
        st.lists(inner, min_size=1, max_size=3).map(lambda branches: {"anyOf": branches}),
        inner.map(lambda schema: {"allOf": [schema], "description": "the same"}),
    ),
    max_leaves=4,
)


@st.composite
def tools(draw) -> dict:
    tree = {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"$ref": "#/$defs/leaf"}}}
    parameters = {**draw(objects(VALUES)), "$defs": {"leaf": draw(strings() | numbers()), "tree": tree}}
    return {"name": "f", "description": "", "parameters": parameters}


@pytest.fixture(scope="module")
def models(any_pair) -> list[Pair]:
    """The pair with weights of several seeds, the base's included."""
    pairs, processor = [], LaFuncProcessor.from_base(any_pair.processor.tokenizer)
    for seed in SEEDS:
        model = copy.deepcopy(any_pair.model)
        model.config.needs_threshold = 2.0  # always call
        model.config.max_calls = 1 + seed % 2
        model.config.max_slot_tokens = 12
        model.config.presence_weight = float(seed == SEEDS[-1])
        chance = torch.Generator().manual_seed(seed)
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                scale = 0.4 if name.startswith("base.") else 0.3 * (1 + seed)
                weight.data = torch.randn(weight.shape, generator=chance) * scale
        model.base.double()  # where logits nearly tie, float32 depends on how many are computed at once
        pairs.append(Pair(model, processor))
    return pairs


def check(output, tool: dict) -> None:
    """The call validates, survives JSON, and was not cut silently."""
    assert output.mode == "tool" and output.tool_calls and not output.needs
    parameters = tool.get("function", tool)["parameters"]
    for call in output.tool_calls:
        jsonschema.Draft202012Validator(parameters).validate(call.arguments)
        assert json.loads(json.dumps(call.arguments, allow_nan=False)) == call.arguments


def fill_in_every_way(pair: Pair, tool: dict, schedule: str, num_steps: int) -> list[list[dict]]:
    found = []
    for filler in ("diffusion", "verified", "autoregressive"):
        output = pair.call(MESSAGES, [tool], filler=filler, schedule=schedule, num_steps=num_steps)
        check(output, tool)
        found.append([call.arguments for call in output.tool_calls])
    return found


@settings(
    **examples(40),  # for each of the four families
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
@given(tool=tools(), seed=st.sampled_from(SEEDS), schedule=st.sampled_from(SCHEDULES), steps=st.integers(1, 4))
def test_any_schema_and_any_weights_give_valid_arguments(models, tool, seed, schedule, steps):
    try:
        models[seed].processor.compile_tools([tool])
    except SchemaError as error:
        # The other allowed outcome: it says where and why.
        assert error.tool == "f" and error.path.startswith("$.properties")
        return
    _, verified, written = fill_in_every_way(models[seed], tool, schedule, steps)
    assert verified == written or models[seed].model.config.presence_weight


def test_most_drawn_schemas_are_honoured(pair):
    """Otherwise the property above would hold for the wrong reason."""
    honoured = []

    @settings(**examples(100), deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(tool=tools())
    def draw(tool):
        try:
            pair.processor.compile_tools([tool])
            honoured.append(True)
        except SchemaError:
            honoured.append(False)

    draw()
    assert sum(honoured) > 0.6 * len(honoured)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("tool", [WEATHER, ORDER], ids=["weather", "order"])
def test_every_schedule_gives_valid_arguments(models, tool, schedule):
    for seed, num_steps in ((0, 2), (2, 4)):
        _, verified, written = fill_in_every_way(models[seed], tool, schedule, num_steps)
        assert verified == written


HOSTILE = {
    "nan": lambda logits: torch.full_like(logits, torch.nan),
    "inf": lambda logits: torch.full_like(logits, torch.inf),
    "-inf": lambda logits: torch.full_like(logits, -torch.inf),
    "inf at one": lambda logits: logits.index_fill(-1, torch.tensor([7]), torch.inf),
    "-inf but at one": lambda logits: torch.full_like(logits, -torch.inf).index_fill(-1, torch.tensor([7]), 0.0),
    "zeros": torch.zeros_like,
    "nan here and there": lambda logits: logits.masked_fill(logits > 0, torch.nan),
}


@pytest.mark.parametrize("filler", ["diffusion", "verified", "autoregressive"])
@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("tool", [WEATHER, ORDER], ids=["weather", "order"])
def test_hostile_logits_give_valid_arguments(pair, monkeypatch, tool, hostile, filler):
    model = copy.deepcopy(pair.model)
    model.config.needs_threshold = 2.0
    model.config.max_calls = 1
    head, base = model.head.log_probs, model.base.get_output_embeddings()
    scores = base.forward
    monkeypatch.setattr(model.head, "log_probs", lambda *args: HOSTILE[hostile](head(*args)))
    monkeypatch.setattr(base, "forward", lambda hidden: HOSTILE[hostile](scores(hidden)))
    output = dataclasses.replace(pair, model=model).call(MESSAGES, [tool], filler=filler, num_steps=2)
    check(output, tool)


def test_hostile_hidden_states_give_valid_arguments(pair, monkeypatch):
    """NaN in the base itself, as an overflow in half precision would leave it."""
    model = copy.deepcopy(pair.model)
    model.config.needs_threshold = 2.0
    decoder = model.base.get_decoder()
    states = decoder.forward

    def overflow(*args, **kwargs):
        return SimpleNamespace(last_hidden_state=states(*args, **kwargs).last_hidden_state * torch.nan)

    monkeypatch.setattr(decoder, "forward", overflow)
    for filler in ("diffusion", "verified", "autoregressive"):
        check(dataclasses.replace(pair, model=model).call(MESSAGES, [ORDER], filler=filler), ORDER)
