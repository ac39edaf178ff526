"""What is trained, the three-part loss, and the trainer."""

import copy
import json
import math
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from conftest import ORDER, WEATHER, Pair, make_pair, tool_of
from safetensors.torch import load_file

from lafunc import LaFuncModel, LaFuncProcessor, objective_lafunc
from lafunc.adapters_lafunc import adapter_weights
from lafunc.base_lafunc import CheckpointError, decoder_layers
from lafunc.compiling_lafunc import compile_tool
from lafunc.data.rows import make_row
from lafunc.denoising_lafunc import COPY_LENGTH, copies_of
from lafunc.diffusion_lafunc import MASK, NULL, Prediction, Sources
from lafunc.evaluation import results
from lafunc.filling_lafunc import Reader
from lafunc.objective_lafunc import (
    TAIL,
    Asked,
    allowed_tokens,
    complement,
    corrupt,
    decision_loss,
    diffusion_loss,
    routing_loss,
    target,
    texts,
)
from lafunc.output_lafunc import Stats
from lafunc.planning_lafunc import states_after
from lafunc.routing_lafunc import beside, listening
from lafunc.scaffolding_lafunc import Scaffold
from lafunc.train_trl import (
    Collator,
    LaFuncTrainer,
    LaFuncTrainingConfig,
    SimilarLengths,
    TrainingError,
    asked,
    check_resume,
    check_sharding,
    load_heads,
    load_rows,
    main,
    share_gpus,
    train,
)

WEATHER_TOOL = WEATHER["function"]
RECIPES = sorted(path for path in (Path(__file__).parent.parent / "recipes").glob("*.yaml") if path.stem != "fsdp")


def scaffold_of(pair: Pair, *tools) -> Scaffold:
    vocabulary = pair.processor.vocabulary
    return Scaffold([compile_tool(tool, vocabulary) for tool in tools], vocabulary)


def rows_for(count: int = 12) -> list[dict]:
    """Calls, a call with something missing, and chat."""
    cities = ["Tokyo", "Paris", "Rome", "Oslo"]
    found = []
    for n in range(count):
        city, words = cities[n % 4], f"What's the weather in {cities[n % 4]} for {n + 1} days?"
        message = [{"role": "user", "content": words if n % 3 else "What's the weather?"}]
        if n % 4 == 3:
            found.append(make_row([{"role": "user", "content": f"Hello {n}"}], [WEATHER_TOOL], "test"))
        elif n % 3:
            found.append(
                make_row(message, [WEATHER_TOOL], "test", [("get_weather", {"location": city, "days": n + 1})])
            )
        else:
            found.append(make_row(message, [WEATHER_TOOL], "test", [("get_weather", {})], needs=[(0, "location")]))
    return found


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows_for()), encoding="utf-8")
    return path


@pytest.fixture
def fresh() -> Pair:
    pair = make_pair("llama")
    pair.model.config.base = "somewhere"  # the heads are saved alone
    return pair


def config_for(tmp_path: Path, **changed) -> LaFuncTrainingConfig:
    return LaFuncTrainingConfig(
        **{
            "output_dir": str(tmp_path / "run"),
            "per_device_train_batch_size": 4,
            "max_steps": 4,
            "warmup_steps": 1,
            "learning_rate": 1e-2,
            "logging_steps": 1,
            "save_steps": 2,
            "report_to": [],
            "use_cpu": True,
            "bf16": False,
            "disable_tqdm": True,
            "max_prompt_tokens": 2000,
            **changed,
        }
    )


# --------------------------------------------------------------------------------------------------------------------
# What is trained
# --------------------------------------------------------------------------------------------------------------------


def test_a_target_holds_the_values_and_null_where_nothing_stands(pair):
    vocabulary = pair.processor.vocabulary
    found = target(scaffold_of(pair, WEATHER_TOOL), [{"location": "Tokyo", "days": 12}])
    spans, texts, at = found.canvas.block.spans, {}, 0
    for span in spans:
        tokens = found.tokens[at : at + span.budget]
        value = [token for token in tokens if token != NULL]
        assert tokens == value + [NULL] * (span.budget - len(value))
        assert found.weights[at : at + span.budget] == [1.0] * (len(value) + 1) + [TAIL] * (
            span.budget - len(value) - 1
        )
        texts[span.slot.path[-1]] = vocabulary.decode(value)
        at += span.budget
    assert texts == {"location": ' "Tokyo', "unit": "", "days": " 12"}
    assert at == len(found.tokens) == len(found.weights) == len(found.allowed)
    assert [vocabulary.decode(body) for _, _, body in found.bodies] == ["Tokyo", "12"]


def test_a_target_has_room_for_long_values(pair):
    text = "word " * 60
    found = target(scaffold_of(pair, tool_of({"type": "string"}, "a")), [{"a": text}])
    value = [token for token in found.tokens if token != NULL]
    assert pair.processor.vocabulary.decode(value) == ' "' + text


def test_what_nobody_gave_is_absent_although_required(pair):
    scaffold = scaffold_of(pair, WEATHER_TOOL)
    assert set(target(scaffold, [{}], [(0, "location")]).tokens) == {NULL}
    with pytest.raises(ValueError, match=r"\$\.location is missing"):
        target(scaffold, [{}])


def test_noise_masks_slots_only_and_all_of_them_at_the_last_level(pair):
    found = target(scaffold_of(pair, WEATHER_TOOL, ORDER), [{"location": "Oslo"}, {"items": [{"name": "x"}]}])
    fixed = [at for at, token in enumerate(found.canvas.block.tokens) if token >= 0]
    random.seed(0)
    shares = []
    for level in (1, 2, 3, 4):
        corrupt(found, level, 4)
        assert [found.canvas.tokens[at] for at in fixed] == [found.canvas.block.tokens[at] for at in fixed]
        places = found.canvas.positions
        shares.append(sum(found.canvas.tokens[at] == MASK for at in places) / len(places))
        for at, token in zip(places, found.tokens, strict=True):
            assert found.canvas.tokens[at] in (MASK, token)
    assert shares[-1] == 1.0 and shares == sorted(shares) and 0.05 < shares[0] < 0.5


def test_the_complement_masks_what_stood_and_shows_what_was_masked(pair):
    found = target(scaffold_of(pair, WEATHER_TOOL, ORDER), [{"location": "Oslo"}, {"items": [{"name": "x"}]}])
    canvas = found.canvas
    for at, place in enumerate(canvas.positions):
        canvas.tokens[place] = MASK if at % 2 else found.tokens[at]
    complement(found)
    shown = [canvas.tokens[place] for place in canvas.positions]
    assert shown == [token if at % 2 else MASK for at, token in enumerate(found.tokens)]
    corrupt(found, 4, 4)
    complement(found)
    assert len(canvas.open) == len(found.tokens)  # nothing stood


def test_samples_of_noise_come_in_pairs_that_mask_everything(pair, monkeypatch):
    seen: list[tuple[int, set[int]]] = []
    loss = objective_lafunc.diffusion_loss

    def noted(said, sources, targets, lm_head):
        places = targets[0].canvas.positions
        seen.append((len(places), {at for at in places if targets[0].canvas.tokens[at] == MASK}))
        return loss(said, sources, targets, lm_head)

    monkeypatch.setattr(objective_lafunc, "diffusion_loss", noted)
    found = target(scaffold_of(pair, WEATHER_TOOL), [{"location": "Oslo"}])
    model = pair.model
    for seed in range(6):
        random.seed(seed)
        objective_lafunc.objective(model.base, model.router, model.head, [[5, 6]], [[]], torch.tensor([2]), [found], 2)
    pairs = list(zip(seen[::2], seen[1::2], strict=True))
    assert len(pairs) == 6 and len({len(one) for (_, one), _ in pairs}) > 1  # of several levels
    assert all(len(one | other) == count for (count, one), (_, other) in pairs)
    assert all(not one & other or len(one) == count for (count, one), (_, other) in pairs)


def test_something_is_always_masked(pair):
    found = target(scaffold_of(pair, tool_of({"type": "boolean"}, "a")), [{"a": True}])
    for seed in range(20):
        random.seed(seed)
        corrupt(found, 0, 4)
        assert len(found.canvas.open) == 1


def test_allowed_tokens_are_those_of_the_language(pair):
    vocabulary = pair.processor.vocabulary
    (slot,) = [span.slot for span in scaffold_of(pair, tool_of({"enum": ["ab", "b"]}, "a")).block().spans]
    first = slot.language.forced
    found = allowed_tokens(slot.language)
    assert [tokens.tolist() for tokens in found[: len(first)]] == [[token] for token in first]
    texts = {vocabulary.bytes[token] for token in found[len(first)].tolist()}
    assert texts <= {b"a", b"ab", b"b"} and b"b" in texts


def test_a_copy_begins_as_a_value_would(pair):
    """After a quote a word has no leading space; the words after it keep theirs, and a message ends the copy."""
    vocabulary = pair.processor.vocabulary
    end = pair.processor.tokenizer.eos_token_id
    prompt = list(vocabulary.encode("in Tokyo now")) + [end] + list(vocabulary.encode(" x"))
    found = copies_of(prompt, vocabulary)
    assert len(found) == len(prompt)
    texts = [vocabulary.decode(ids) for ids, _ in found]
    assert "Tokyo now" in texts
    at = texts.index("Tokyo now")
    assert list(vocabulary.encode("Tokyo")) == found[at][0][: len(vocabulary.encode("Tokyo"))]
    assert texts[prompt.index(end)] == ""
    for ids, places in found:
        assert len(ids) == len(places) <= COPY_LENGTH and places == sorted(places)


# --------------------------------------------------------------------------------------------------------------------
# The loss
# --------------------------------------------------------------------------------------------------------------------


def test_decision_loss_is_the_one_computed_by_hand():
    found = decision_loss(torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, math.log(2)]]), torch.tensor([0, 2]))
    total, weight = found["modes"]
    assert weight == 2 and float(total) == pytest.approx(math.log(3) + math.log(2))
    total, weight = found["call"]  # 2/3 that it is none, 1/2 that it is one
    assert float(total) == pytest.approx(-math.log(2 / 3) + math.log(2))
    assert float(found["call_accuracy"][0]) == 1.0


def test_routing_loss_is_what_the_router_says_of_what_the_adapters_make():
    """Of rows with several tools, with one, and with none; the adapters learn from it and the router does not."""
    pair = make_pair("llama", adapter_rank=4)
    model, processor = pair.model, pair.processor
    rows = [
        make_row([{"role": "user", "content": "hello"}], [WEATHER_TOOL, ORDER], "test"),
        make_row(
            [{"role": "user", "content": "Oslo"}], [WEATHER_TOOL], "test", [("get_weather", {"location": "Oslo"})] * 2
        ),
        make_row([{"role": "user", "content": "hello"}], [], "test"),
    ]
    questions = [asked(row, processor) for row in rows]
    assert [one.often for one in questions] == [[0, 0], [2], []]
    assert [one.given for one in questions] == [[], [True, False, False], []]
    prompts = [processor.prompt(row["messages"][:1], row["tools"]) for row in rows]
    weights = adapter_weights(model.base)
    for weight in weights:
        torch.nn.init.normal_(weight, std=0.1)
        weight.requires_grad_(True)
    with torch.no_grad(), listening() as heard:
        reader = Reader(model.base, prompts, Stats())
    ends = heard[model.router.source(model.base)][:, -1]
    before, layer = [layer.keys for layer in reader.cache.layers], model.router.source(model.base)
    states = states_after(reader, [[*one.tools, *one.arguments] for one in questions], layer)
    assert all(layer.keys is keys for layer, keys in zip(reader.cache.layers, before, strict=True))
    found = routing_loss(states, model.router, ends, questions)
    with torch.no_grad():
        tools = states_after(reader, [one.tools for one in questions], layer)
        (given,) = states_after(reader, [one.arguments for one in questions], layer)[1:2]
        counts = torch.cat([model.router.tools(beside(tools[b], ends[b])) for b in (0, 1)]).log_softmax(dim=-1)
        flags = model.router.arguments(given).log_softmax(dim=-1)
    expected = -(counts[0, 0] + counts[1, 0] + counts[2, 2]), -(flags[0, 1] + flags[1, 0] + flags[2, 0])
    for name, total in zip(("tools", "arguments"), expected, strict=True):
        torch.testing.assert_close(found[name][0].detach(), total, rtol=1e-4, atol=1e-4)
        assert found[name][1] == found[f"{name}_accuracy"][1] == 3
    (found["tools"][0] + found["arguments"][0]).backward()
    assert all(weight.grad is None for weight in model.router.tools.parameters())
    assert any(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in weights)


def test_nothing_is_asked_where_there_are_no_tools(pair):
    states, ends = torch.zeros(0, 32), torch.zeros(1, 32)
    assert routing_loss([states], pair.model.router, ends, [Asked([], [], [], [])]) == {}


def test_what_is_read_beside_a_text_does_not_change_its_loss():
    """Names of tools and arguments, and rows without a call, share a pass with plan, values and skeleton."""
    pair = make_pair("llama", adapter_rank=2, adapts_prompt=True, trained=["router", "tools", "arguments"])
    for weight in adapter_weights(pair.model.base):
        torch.nn.init.normal_(weight, std=0.1)
    said = [{"role": "user", "content": "Oslo, and an order"}]
    rows = [
        make_row(said, [WEATHER_TOOL, ORDER], "test", [("get_weather", {"location": "Oslo"})] * 2),
        make_row(said, [WEATHER_TOOL], "test"),
        make_row(said, [ORDER, WEATHER_TOOL], "test", [("get_weather", {"location": "Paris", "days": 3})]),
    ]

    def losses(rows, asks: bool):
        random.seed(0)
        inputs = Collator(pair.processor, 1024, 512, adapters=True, asks=asks)(rows)
        inputs.pop("rows")
        return pair.model(**inputs, samples=1)

    for seen in (rows, rows[:2], rows[2:]):
        with torch.no_grad():
            beside, alone = losses(seen, True), losses([row for row in seen if row["mode"] == "tool"], False)
        names = {"plan", "more", "values", "tokens", "starts"}
        assert names < beside.keys() and names < alone.keys() and "tools" in beside and "tools" not in alone
        for name in names:
            torch.testing.assert_close(beside[name][0], alone[name][0], rtol=1e-4, atol=1e-4)
            assert beside[name][1] == alone[name][1]


@pytest.mark.parametrize("adapts", [True, False])
@pytest.mark.parametrize("kinds", ["tool", "chat", "both", "none"])
def test_each_batch_is_read_in_two_passes(kinds, adapts):
    """Processes that share the base's layers use them equally often, whatever their rows."""
    pair = make_pair("llama", adapter_rank=2, adapts_prompt=adapts, trained=["router", "tools", "arguments"])
    model, passes = pair.model, []
    hook = model.base.get_decoder().register_forward_hook(lambda *_: passes.append(1))
    said = [{"role": "user", "content": "Oslo"}]
    called = make_row(said, [WEATHER_TOOL], "test", [("get_weather", {"location": "Oslo"})])
    rows = {"tool": [called], "chat": [make_row(said, [WEATHER_TOOL], "test")], "none": []}
    rows["both"] = rows["tool"] + rows["chat"]
    collator = Collator(pair.processor, 1024, 512, adapters=True, asks=True)
    inputs = collator(rows[kinds])
    inputs.pop("rows")
    found = model(**inputs, samples=2)
    hook.remove()
    assert len(passes) == 2 and found["nothing"][0] == 0 and ("values" in found) == (kinds in ("tool", "both"))


@pytest.mark.parametrize("fitted", [True, False])
def test_adapters_learn_what_a_fitted_router_reads(fitted, file, tmp_path):
    pair = make_pair("llama", adapter_rank=2, trained=["router", "tools", "arguments"] if fitted else ["router"])
    pair.model.config.base = "somewhere"
    trainer = LaFuncTrainer(pair.model, config_for(tmp_path, max_steps=1), load_rows(str(file)), None, pair.processor)
    probes = [weight.clone() for weight in pair.model.router.tools.parameters()]
    trainer.train()
    logged = {"tools", "tools_accuracy", "arguments", "arguments_accuracy"} & trainer.state.log_history[0].keys()
    assert len(logged) == (4 if fitted else 0)
    assert all(map(torch.equal, probes, pair.model.router.tools.parameters()))


def predicted(pair: Pair, found, gates: list[float]) -> tuple[Prediction, Sources, torch.nn.Linear]:
    """The same for every position: gates, a prompt of two tokens that is copied from its first, even logits."""
    count, vocabulary = len(found.tokens), 10_000
    said = Prediction(
        features=torch.zeros(1, count, 4),
        gates=torch.tensor(gates).log().expand(1, count, 4),
        starts=torch.tensor([0.75, 0.25]).log().expand(1, count, 2),
        copied=torch.tensor([5, 6]).expand(1, count, 2),
        weights=torch.tensor([0.75, 0.25]).log().expand(1, count, 2),
        anywhere=torch.tensor([0.5, 0.5]).log().expand(1, count, 2),
    )
    sources = Sources(torch.tensor([[[5], [6]]]), torch.zeros(1, 2, 1, dtype=torch.long), torch.tensor([[5, 6]]))
    lm_head = torch.nn.Linear(4, vocabulary, bias=False)
    torch.nn.init.zeros_(lm_head.weight)
    return said, sources, lm_head


def test_diffusion_loss_is_the_one_computed_by_hand(pair):
    found = target(scaffold_of(pair, tool_of({"type": "boolean"}, "a")), [{"a": True}])
    value = [token for token in found.tokens if token != NULL]
    corrupt(found, 4, 4)
    said, sources, lm_head = predicted(pair, found, [0.5, 0.2, 0.2, 0.1])
    parts = diffusion_loss(said, sources, [found], lm_head)
    total, weight = parts["tokens"]
    nulls = [w for token, w in zip(found.tokens, found.weights, strict=True) if token == NULL]
    expected = -len(value) * math.log(0.5 / 10_000) - sum(nulls) * math.log(0.1)
    assert weight == pytest.approx(sum(found.weights)) and float(total) == pytest.approx(expected, rel=1e-4)


def test_a_copied_token_is_as_likely_as_its_sources(pair):
    found = target(scaffold_of(pair, tool_of({"type": "boolean"}, "a")), [{"a": True}])
    for canvas_at, at in zip(found.canvas.positions, range(len(found.tokens)), strict=True):
        found.canvas.tokens[canvas_at] = MASK if at == 0 else found.tokens[at]
    found.tokens[0] = 5
    said, sources, lm_head = predicted(pair, found, [0.5, 0.2, 0.2, 0.1])
    total, weight = diffusion_loss(said, sources, [found], lm_head)["tokens"]
    assert weight == 1 and float(total) == pytest.approx(-math.log(0.5 / 10_000 + 0.2 * 0.75 + 0.2 * 0.5), rel=1e-4)


def test_the_constraint_is_the_mass_outside_of_the_language(pair):
    found = target(scaffold_of(pair, tool_of({"type": "boolean"}, "a")), [{"a": True}])
    corrupt(found, 4, 4)
    said, sources, lm_head = predicted(pair, found, [0.5, 0.2, 0.2, 0.1])
    total, weight = diffusion_loss(said, sources, [found], lm_head)["constraint"]
    expected = 0.0
    for at, (allowed, counted) in enumerate(zip(found.allowed, found.weights, strict=True)):
        if allowed is not None and counted == 1:
            ids = [int(token) for token in allowed]
            mass = 0.5 * sum(token >= 0 for token in ids) / 10_000 + 0.1 * (-1 in ids)
            mass += 0.2 * (0.75 * (5 in ids) + 0.25 * (6 in ids)) + 0.2 * 0.5 * ((5 in ids) + (6 in ids))
            expected -= math.log(mass)
            assert at < weight
    assert float(total) == pytest.approx(expected, rel=1e-3)


def test_where_a_value_begins_is_trained_if_it_can_be_copied(pair):
    found = target(scaffold_of(pair, tool_of({"type": "string"}, "a")), [{"a": "x"}])
    corrupt(found, 4, 4)
    (_, _, body), *_ = found.bodies
    said, sources, lm_head = predicted(pair, found, [0.5, 0.2, 0.2, 0.1])
    assert diffusion_loss(said, sources, [found], lm_head)["starts"][1] == 0
    sources.tokens[0, 1, 0] = body[0]
    total, weight = diffusion_loss(said, sources, [found], lm_head)["starts"]
    assert len(body) == 1 and weight == 1 and float(total) == pytest.approx(-math.log(0.25))


# --------------------------------------------------------------------------------------------------------------------
# The trainer
# --------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def adapted_pair() -> Pair:
    """A tiny model with adapters."""
    pair = make_pair("llama", adapter_rank=4)
    pair.model.config.base = "somewhere"
    return pair


@pytest.mark.parametrize("which", ["fresh", "adapted_pair"])
def test_only_heads_and_adapters_move_and_all_of_them_do(which, request, file, tmp_path):
    fresh = request.getfixturevalue(which)
    before = {name: weight.detach().clone() for name, weight in fresh.model.named_parameters()}
    trainer = LaFuncTrainer(
        fresh.model, config_for(tmp_path, save_strategy="no"), load_rows(str(file)), None, fresh.processor
    )
    trainer.train()
    for name, weight in fresh.model.named_parameters():
        moved = not torch.equal(weight, before[name])
        fixed = (
            name.startswith("base.")
            and ".lora_" not in name
            or name in ("router.mean", "router.scale")
            or name.startswith(("router.tools.", "router.arguments."))
        )
        assert moved != fixed, name


def test_adapters_of_the_first_layers_can_stay_as_they_are(file, tmp_path):
    """No gradient is computed below those that move, also if the adapters read prompts."""
    pair = make_pair("llama", adapter_rank=4, adapts_prompt=True)
    layers = decoder_layers(pair.model.base)
    for weight in adapter_weights(pair.model.base):
        torch.nn.init.normal_(weight, std=0.1)
    before = {name: weight.detach().clone() for name, weight in pair.model.base.named_parameters()}
    needed = []  # whether what a layer reads has a gradient
    for layer in layers:
        layer.register_forward_pre_hook(lambda _, args: needed.append(args[0].requires_grad))
    config = config_for(tmp_path, save_strategy="no", still_layers=len(layers) - 1)
    trainer = LaFuncTrainer(pair.model, config, load_rows(str(file)), None, pair.processor)
    trainer.train()
    assert needed and not any(needed)  # the last layer's input has none either: its own adapters are the first
    last = {id(weight) for weight in layers[-1].parameters()}
    for name, weight in pair.model.base.named_parameters():
        assert torch.equal(weight, before[name]) == (".lora_" not in name or id(weight) not in last), name


@pytest.mark.parametrize("still", [-1, 2])
def test_some_layer_must_be_trained(still, adapted_pair, file, tmp_path):
    assert len(decoder_layers(adapted_pair.model.base)) == 2
    with pytest.raises(TrainingError, match=f"still_layers {still}: of the base's 2 layers .* give 0 to 1"):
        LaFuncTrainer(
            adapted_pair.model,
            config_for(tmp_path, still_layers=still),
            load_rows(str(file)),
            None,
            adapted_pair.processor,
        )


def test_adapters_learn_and_the_base_stays_the_base(adapted_pair, file, tmp_path):
    """What they learn are the texts; a prompt, and what `generate` reads, is read as before, bit for bit."""
    model, ids = adapted_pair.model, torch.tensor([[5, 6, 7, 8, 9, 10]])
    bare, written = model(input_ids=ids).logits, model.generate(ids, max_new_tokens=5, do_sample=False)
    config = config_for(tmp_path, max_steps=30, save_strategy="no", lr_scheduler_type="constant")
    trainer = LaFuncTrainer(model, config, load_rows(str(file)), None, adapted_pair.processor)
    trainer.train()
    for name in ("more", "another", "values"):  # with one tool its name is no decision
        losses = [entry[name] for entry in trainer.state.log_history if name in entry]
        assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    model.eval()
    assert torch.equal(model(input_ids=ids).logits, bare)
    assert torch.equal(model.generate(ids, max_new_tokens=5, do_sample=False), written)
    assert torch.equal(Reader(model.base, ids.tolist(), Stats()).prompt, model.base.get_decoder()(ids)[0])


def test_texts_ask_where_the_filler_asks(pair):
    """A base that always wants the right token is asked for just these tokens, and no others."""
    tools = [compile_tool(tool, pair.processor.vocabulary) for tool in (WEATHER_TOOL, ORDER)]
    scaffold = Scaffold(tools, pair.processor.vocabulary)
    arguments = [{"location": "Oslo", "days": 2}, {"items": [{"name": "tea"}, {"name": "milk", "quantity": 3}]}]
    found = texts(scaffold, arguments, tools)
    decode = pair.processor.vocabulary.decode
    assert decode(found["plan"].tokens) == (
        '<tool_call>\n{"name": "get_weather"}, {"name": "create_order", "arguments":'
    )
    assert json.loads(decode(found["values"].tokens).split("</tool_call>")[0].split("<tool_call>")[1]) == {
        "name": "get_weather", "arguments": arguments[0]
    }  # fmt: skip
    for text in found.values():
        asked = sorted(at for ats in text.asked.values() for at in ats)
        assert asked == sorted(set(asked)) and 0 < asked[0] and asked[-1] < len(text.tokens)
    first, last = (decode([found["plan"].tokens[at]]) for at in found["plan"].asked["more"])
    assert first in ('"', '"},') and last == '",'
    asked = [decode([found["values"].tokens[at]]) for at in found["values"].asked["values"]]
    assert any("lo" in token for token in asked) and not any("location" in token for token in asked)
    named = decode([found["values"].tokens[at] for at in found["values"].asked["next"]])
    assert named and "create_order".startswith(named)
    goes_on, ends = (found["values"].tokens[at] for at in found["values"].asked["another"])
    assert ends == pair.processor.vocabulary.end == found["values"].tokens[-1] != goes_on
    with pytest.raises(ValueError, match="has no 'x'"):
        texts(scaffold, [{"location": "Oslo", "x": 1}, arguments[1]], tools)


def test_batches_are_of_similar_lengths_and_every_row_comes_once():
    lengths = [random.Random(n).randint(1, 1000) for n in range(403)]
    sampler = SimilarLengths(lengths, 8, seed=1)
    order = list(sampler)
    assert sorted(order) == list(range(403)) and order == list(sampler)
    spread = [max(lengths[n] for n in part) - min(lengths[n] for n in part) for part in _parts(order, 8)]
    assert sorted(spread)[len(spread) // 2] < 100
    firsts = [lengths[order[at]] for at in range(0, 128, 8)]
    assert firsts != sorted(firsts) and firsts != sorted(firsts, reverse=True)
    sampler.set_epoch(1)
    assert list(sampler) != order


def test_long_calls_are_work_beside_long_prompts(pair):
    collator = Collator(pair.processor, 2000, 500, adapters=True)
    row = other = rows_for()[1]
    calls = copy.deepcopy(other["messages"][-1]["tool_calls"])
    other = {**other, "messages": [*other["messages"][:-1], {**other["messages"][-1], "tool_calls": 5 * calls}]}
    short, long = collator.length(row), collator.length(other)
    assert short["length"] == long["length"] < short["work"] < long["work"]
    assert (short["calls"], long["calls"]) == (1, 5)
    broken = {**row, "messages": [{"role": "cook", "content": ""}]}
    assert collator.length(broken) == {"length": 0, "calls": 0, "work": 0}


def test_batches_are_of_rows_of_similar_work(fresh, file, tmp_path):
    trainer = LaFuncTrainer(fresh.model, config_for(tmp_path), load_rows(str(file)), None, fresh.processor)
    assert list(trainer._get_train_sampler().lengths) == list(trainer.train_dataset["work"])


def test_on_cpus_training_uses_plain_attention_and_nothing_else_does(recipe, monkeypatch):
    seen = []

    def noted(self, **options):
        seen.append(self.model.base)
        assert self.model.base.config._attn_implementation == "eager"

    monkeypatch.setattr(LaFuncTrainer, "train", noted)
    assert main(["--config", str(recipe)]) == 0
    assert [base.config._attn_implementation for base in seen] == ["sdpa"]


@pytest.mark.parametrize(
    ("none", "whole", "several", "lacking", "chosen"),
    [
        (20, 20, 20, 20, [8, 4, 3, 1]),
        (20, 20, 20, 0, [8, 4, 3, 0]),  # and one more of those with calls
        (20, 20, 1, 0, [8, 7, 1, 0]),
        (20, 1, 20, 1, [8, 1, 6, 1]),
        (3, 20, 20, 20, [3, 4, 3, 1]),
    ],
)
def test_the_router_is_fitted_to_rows_of_each_kind(none, whole, several, lacking, chosen, fresh, tmp_path):
    called = ("get_weather", {"location": "Oslo", "days": 1})
    kinds = [(none, [], []), (whole, [called], []), (several, [called] * 2, []), (lacking, [("get_weather", {})], 1)]
    rows = [
        make_row(
            [{"role": "user", "content": f"Weather in Oslo {n}"}],
            [WEATHER_TOOL],
            "test",
            calls,
            needs=[(0, "location")] if needs else [],
        )
        for count, calls, needs in kinds
        for n in range(count)
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    config = config_for(tmp_path, router_rows=16)
    trainer = LaFuncTrainer(fresh.model, config, load_rows(str(file)), None, fresh.processor)
    found = trainer.router_rows()
    taken = trainer.train_dataset.select(found)
    pairs = [(calls, bool(needs)) for calls, needs in zip(taken["calls"], taken["needs"], strict=True)]
    counts = [pairs.count(kind) for kind in ((0, False), (1, False), (2, False), (1, True))]
    assert len(set(found)) == len(found)
    assert all(count >= least for count, least in zip(counts, chosen, strict=True))
    assert counts[0] == chosen[0] and sum(counts[1:]) == 8


def test_the_router_knows_nothing_of_arguments_where_there_are_none(recipe, file, tmp_path, capsys):
    rows = rows_for()
    for row in rows:
        row["tools"] = [{**tool, "parameters": {"type": "object", "properties": {}}} for tool in row["tools"]]
        for call in row["messages"][-1].get("tool_calls") or ():
            call["function"]["arguments"] = {}
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    settings = yaml.safe_load(recipe.read_text()) | {"router_rows": 10, "num_train_epochs": 0, "max_steps": -1}
    recipe.write_text(yaml.safe_dump(settings))
    assert main(["--config", str(recipe)]) == 0
    assert "arguments" not in capsys.readouterr().out
    assert json.loads((tmp_path / "run" / "config.json").read_text())["trained"] == ["router", "tools"]


def test_a_refused_schema_tells_the_router_of_tools_alone(recipe, file, tmp_path, capsys):
    """What was read before it is not lost."""
    rows = rows_for()
    called = next(row for row in rows if row["mode"] == "tool")
    called["tools"] = [{**tool, "parameters": {"$ref": "https://example.com/x"}} for tool in called["tools"]]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    settings = yaml.safe_load(recipe.read_text()) | {"router_rows": 10, "num_train_epochs": 0, "max_steps": -1}
    recipe.write_text(yaml.safe_dump(settings))
    assert main(["--config", str(recipe)]) == 0
    assert "router    fitted to 8 rows" in capsys.readouterr().out


def _parts(order: list[int], size: int) -> list[list[int]]:
    return [order[at : at + size] for at in range(0, len(order), size)]


def test_every_part_of_the_loss_is_logged_and_they_add_up(fresh, file, tmp_path):
    rows = load_rows(str(file))
    config = config_for(tmp_path, save_strategy="no", per_device_train_batch_size=12, per_device_eval_batch_size=12)
    trainer = LaFuncTrainer(fresh.model, config, rows, rows, fresh.processor)
    trainer.train()
    found = trainer.evaluate()
    names = (
        "decision diffusion constraint modes call tokens starts token_accuracy start_accuracy mode_accuracy skipped"
    )
    for entry in [*(entry for entry in trainer.state.log_history if "loss" in entry)]:
        assert set(names.split()) <= entry.keys()
        total = entry["decision"] + 2 * entry["diffusion"] + 0.5 * entry["constraint"]
        assert entry["loss"] == pytest.approx(total, rel=1e-3)
    assert {f"eval_{name}" for name in names.split()} <= found.keys()


def test_the_loss_falls(fresh, file, tmp_path):
    config = config_for(tmp_path, max_steps=30, save_strategy="no", lr_scheduler_type="constant")
    trainer = LaFuncTrainer(fresh.model, config, load_rows(str(file)), None, fresh.processor)
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


@pytest.mark.parametrize("rank", [0, 4])
def test_a_run_that_was_stopped_goes_on_with_the_same_losses(file, tmp_path, rank):
    def run(folder: str, resume: bool) -> list[float]:
        pair = make_pair("llama", adapter_rank=rank)
        pair.model.config.base = "somewhere"
        config = config_for(tmp_path, output_dir=str(tmp_path / folder))
        trainer = LaFuncTrainer(pair.model, config, load_rows(str(file)), None, pair.processor)
        trainer.train(resume_from_checkpoint=str(tmp_path / folder / "checkpoint-2") if resume else None)
        return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]

    whole = run("a", False)
    shutil.copytree(tmp_path / "a" / "checkpoint-2", tmp_path / "b" / "checkpoint-2")
    assert run("b", True) == pytest.approx(whole, rel=1e-5)


@pytest.fixture
def recipe(pair, file, tmp_path) -> Path:
    """A recipe for a tiny base in a folder."""
    pair.model.base.save_pretrained(tmp_path / "base")
    pair.processor.tokenizer.save_pretrained(tmp_path / "base")
    path = tmp_path / "recipe.yaml"
    settings = {
        "base": str(tmp_path / "base"),
        "head": {"head_hidden_size": 16, "head_layers": 2, "head_attention_heads": 2},
        "train_file": str(file),
        "output_dir": str(tmp_path / "run"),
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 2,
        "max_steps": 2,
        "save_steps": 1,
        "logging_steps": 1,
        "max_prompt_tokens": 2000,
        "report_to": [],
        "use_cpu": True,
        "bf16": False,
        "disable_tqdm": True,
        "resume_from_checkpoint": "auto",
    }
    path.write_text(yaml.safe_dump(settings))
    return path


def test_the_router_alone_can_be_fitted(recipe, tmp_path, capsys, monkeypatch):
    settings = yaml.safe_load(recipe.read_text()) | {"router_rows": 10, "num_train_epochs": 0, "max_steps": -1}
    recipe.write_text(yaml.safe_dump(settings))
    assert main(["--config", str(recipe)]) == 0
    said = capsys.readouterr().out
    assert "router    fitted to 8 rows; right on " in said and " of the 1 that were kept out, and on " in said
    made = results.read(tmp_path / "run" / "training.json", "training")
    assert (
        made["data"]["router"]["rows"] == 8
        and "arguments_right" in made["data"]["router"]
        and "loss" not in json.dumps(made["data"]["history"])
    )  # 5 calls, 3 not
    assert json.loads((tmp_path / "run" / "config.json").read_text())["trained"] == ["router", "tools", "arguments"]
    first = load_file(tmp_path / "run" / "model.safetensors")
    # What was read is not read again, unless the rows are others.
    monkeypatch.setattr(LaFuncModel, "reader", None)
    assert main(["--config", str(recipe)]) == 0
    second = load_file(tmp_path / "run" / "model.safetensors")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first if name.startswith("router."))
    recipe.write_text(yaml.safe_dump(settings | {"router_rows": 6}))
    with pytest.raises(TypeError, match="not callable"):
        main(["--config", str(recipe)])


def test_a_saved_router_can_be_fitted_again(recipe, tmp_path):
    settings = yaml.safe_load(recipe.read_text()) | {"router_rows": 10, "num_train_epochs": 0, "max_steps": -1}
    recipe.write_text(yaml.safe_dump(settings))
    assert main(["--config", str(recipe)]) == 0
    again = {name: value for name, value in settings.items() if name not in ("base", "head")}
    again |= {"checkpoint": str(tmp_path / "run"), "output_dir": str(tmp_path / "again"), "seed": 1}
    recipe.write_text(yaml.safe_dump(again))
    assert main(["--config", str(recipe)]) == 0
    model = LaFuncModel.from_pretrained(tmp_path / "again")
    assert {id(model.router.mean), id(model.router.scale)}.isdisjoint(map(id, model.trainable))  # only a fit sets them


def test_too_few_rows_of_a_kind_are_no_basis_for_a_router(recipe, capsys):
    settings = yaml.safe_load(recipe.read_text())
    recipe.write_text(yaml.safe_dump(settings | {"router_rows": 4}))
    assert main(["--config", str(recipe)]) == 2
    said = capsys.readouterr().out
    assert "router_rows is 4, and the rows have 9 with a call and 3 without" in said and "lafunc data synth" in said


def test_a_router_is_fitted_to_what_the_trained_adapters_make_of_names(recipe, tmp_path):
    settings = yaml.safe_load(recipe.read_text())
    settings |= {"router_rows": 10, "head": {**settings["head"], "adapter_rank": 4}}
    recipe.write_text(yaml.safe_dump(settings))
    assert main(["--config", str(recipe)]) == 0
    made = results.read(tmp_path / "run" / "training.json", "training")["data"]
    assert made["router"]["rows"] == 8 and made["history"][0]["modes"] > 0
    assert "tools" in LaFuncModel.from_pretrained(tmp_path / "run").config.trained
    # The same rows read with the saved adapters make the same router; adapters that learn what it reads let it be.
    again = {name: value for name, value in settings.items() if name not in ("base", "head")}
    again |= {"checkpoint": str(tmp_path / "run"), "output_dir": str(tmp_path / "again")}
    recipe.write_text(yaml.safe_dump({**again, "num_train_epochs": 0, "max_steps": -1}))
    assert main(["--config", str(recipe)]) == 0
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("run", "again"))
    assert all(torch.equal(first[name], second[name]) for name in first if name.startswith("router."))
    recipe.write_text(yaml.safe_dump({**again, "router_rows": 0, "output_dir": str(tmp_path / "third")}))
    assert main(["--config", str(recipe)]) == 0
    assert "tools" in LaFuncModel.from_pretrained(tmp_path / "third").config.trained
    third = load_file(tmp_path / "third" / "model.safetensors")
    assert all(torch.equal(first[name], third[name]) for name in first if name.startswith("router.tools."))


def test_a_recipe_makes_a_checkpoint_that_answers(recipe, tmp_path, capsys):
    assert main(["--config", str(recipe)]) == 0
    said = capsys.readouterr().out
    assert "frozen" in said and "12: 9 tool, 3 chat" in said and "steps     2 of 2 left, about 1 min" in said
    model, processor = LaFuncModel.from_pretrained(tmp_path / "run"), LaFuncProcessor.from_pretrained(tmp_path / "run")
    assert model.config.trained == ["router", "diffusion"]
    made = results.read(tmp_path / "run" / "training.json", "training")
    assert made["command"] == "lafunc train --config recipe.yaml"
    assert made["settings"]["head"]["head_layers"] == 2 and made["settings"]["train_file"] == "rows.jsonl"
    assert str(tmp_path) not in json.dumps(made)
    assert made["data"]["rows"] == {"tool": 9, "chat": 3} and made["data"]["parameters"] > 0
    seconds = [entry["seconds"] for entry in made["data"]["history"]]
    assert seconds == sorted(seconds) and seconds[0] > 0
    model.config.needs_threshold = 2.0
    messages = [{"role": "user", "content": "Weather in Oslo?"}]
    out = model.generate_tool_call(messages, [WEATHER_TOOL], processor=processor, mode="tool", filler="diffusion")
    assert out.tool_calls[0].name == "get_weather"
    assert main(["--config", str(recipe), "--max_steps", "3"]) == 0
    assert "steps     1 of 3 left" in capsys.readouterr().out


def test_the_record_says_what_the_checkpoint_before_was_trained_on(recipe, tmp_path):
    assert main(["--config", str(recipe)]) == 0
    first = results.read(tmp_path / "run" / "training.json", "training")
    settings = yaml.safe_load(recipe.read_text()) | {
        "checkpoint": str(tmp_path / "run"), "output_dir": str(tmp_path / "again"), "max_steps": 1
    }  # fmt: skip
    settings = {name: value for name, value in settings.items() if name not in ("base", "head")}
    (tmp_path / "second.yaml").write_text(yaml.safe_dump(settings))
    assert main(["--config", str(tmp_path / "second.yaml")]) == 0
    second = results.read(tmp_path / "again" / "training.json", "training")
    assert second["data"]["before"] == first and second["settings"]["checkpoint"] == "run"


def test_two_processes_train_together(recipe, tmp_path):
    """`--multi_gpu` is what accelerate calls a process per device; the recipe says that the devices are CPUs."""
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    command += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    command += [str(Path(__file__).parent.parent / "train_trl.py"), "--config", str(recipe)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    state = json.loads((tmp_path / "run" / "checkpoint-2" / "trainer_state.json").read_text())
    # Each process has half of the rows, so that two steps of two batches see all; alone they see two thirds.
    assert state["global_step"] == 2 and state["epoch"] == 1
    assert LaFuncModel.from_pretrained(tmp_path / "run").config.trained == ["router", "diffusion"]


def test_the_bases_special_tokens_stay_as_they_were(fresh, file, tmp_path):
    """transformers' trainer would give the base's config the tokenizer's."""
    text = fresh.model.config.get_text_config()
    text.eos_token_id = 2
    assert fresh.processor.tokenizer.eos_token_id != 2
    config = config_for(tmp_path, max_steps=1, save_strategy="no")
    LaFuncTrainer(fresh.model, config, load_rows(str(file)), None, fresh.processor).train()
    assert text.eos_token_id == 2


def test_rows_that_cannot_be_used_are_counted_by_reason(pair):
    good, *_ = rows_for()
    collator = Collator(pair.processor, max_prompt_tokens=2000, max_block_tokens=512, adapters=False)
    refused = {**good, "tools": [{"name": "get_weather", "parameters": {"$ref": "#/no"}}]}
    misfit = json.loads(json.dumps(good).replace('"needs": [[0, "location"]]', '"needs": []'))
    batch = collator([good, refused, misfit, {**good, "messages": []}])
    assert len(batch["prompts"]) == len(batch["targets"]) == 1
    assert (
        dict(collator.skipped)
        == {
            "SchemaError: the tools or messages are refused": 1,
            "its arguments do not fit": 1,
            "RequestError: the tools or messages are refused": 1,
        }
        or sum(collator.skipped.values()) == 3
    )
    collator.max_prompt_tokens = 10
    assert collator([good])["prompts"] == [] and collator.skipped["the prompt is too long"] == 1


def test_a_batch_without_a_usable_row_moves_nothing(fresh, file, tmp_path):
    config = config_for(tmp_path, max_block_tokens=1, max_steps=1, save_strategy="no", weight_decay=0.0)
    before = {name: weight.detach().clone() for name, weight in fresh.model.named_parameters()}
    rows = load_rows(str(file)).filter(lambda mode: mode == "tool", input_columns="mode")
    LaFuncTrainer(fresh.model, config, rows, None, fresh.processor).train()
    assert all(torch.equal(weight, before[name]) for name, weight in fresh.model.named_parameters())


# --------------------------------------------------------------------------------------------------------------------
# Bad input
# --------------------------------------------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_stops_the_run_and_saves_the_batch(fresh, file, tmp_path):
    trainer = LaFuncTrainer(fresh.model, config_for(tmp_path), load_rows(str(file)), None, fresh.processor)
    fresh.model.router.out.weight.data.fill_(math.nan)
    with pytest.raises(TrainingError, match="the loss is nan at step 0.*lower learning_rate"):
        trainer.train()
    (saved,) = (tmp_path / "run").glob("batch-at-step-*.json")
    assert json.loads(saved.read_text())[0]["messages"]


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(fresh, file, tmp_path, monkeypatch):
    trainer = LaFuncTrainer(fresh.model, config_for(tmp_path), load_rows(str(file)), None, fresh.processor)
    save = trainer.save_model

    def full(folder=None, **kwargs):
        save(folder, **kwargs)
        if str(folder).endswith("-4"):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(trainer, "save_model", full)
    with pytest.raises(TrainingError, match="checkpoint-4 could not be written.*the checkpoint before it is whole"):
        trainer.train()
    assert [path.name for path in (tmp_path / "run").glob("checkpoint-*")] == ["checkpoint-2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"rows\.jsonl' is not there; `lafunc data build`"),
        ("", "no rows|not rows"),
        ("not json\n", "not rows of the form"),
        ('{"text": "hello"}\n', "not rows of the form"),
    ],
)
def test_files_that_hold_no_rows(tmp_path, text, message):
    path = tmp_path / "rows.jsonl"
    if text is not None:
        path.write_text(text)
    with pytest.raises(TrainingError, match=message):
        load_rows(str(path))


def test_rows_that_are_all_too_long(fresh, file, tmp_path):
    with pytest.raises(TrainingError, match="no prompt of 12 rows has at most 3 tokens; raise max_prompt_tokens"):
        LaFuncTrainer(
            fresh.model, config_for(tmp_path, max_prompt_tokens=3), load_rows(str(file)), None, fresh.processor
        )


def test_rows_that_are_too_long_are_told_of_before_the_first_step(fresh, file, tmp_path, capsys):
    long = make_row([{"role": "user", "content": "hello " * 3000}], [WEATHER_TOOL], "test")
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps(long) + "\n")
    trainer = LaFuncTrainer(
        fresh.model, config_for(tmp_path, max_steps=1), load_rows(str(file)), None, fresh.processor
    )
    trainer.train()
    said = capsys.readouterr().out
    assert "left out  1 rows with a prompt of more than 2,000 tokens" in said
    assert said.index("left out") < said.index("steps     1 of 1 left")


def test_of_a_checkpoint_s_heads_only_how_prompts_are_read_can_be_changed(fresh, file, tmp_path):
    """And what the router knows of tools is void then, as it has read them without."""
    fresh.model.config.trained = ["router", "tools", "arguments", "diffusion"]
    fresh.model.save_pretrained(tmp_path / "before", include_base=True)
    fresh.processor.save_pretrained(tmp_path / "before")
    wrong = {"adapts_prompt": True, "head_layers": 3}
    config = config_for(tmp_path, checkpoint=str(tmp_path / "before"), train_file=[str(file)], max_steps=1, head=wrong)
    with pytest.raises(TrainingError, match="the heads of a checkpoint keep their head_layers; leave that out"):
        train(config)
    config.head = {"adapts_prompt": True}
    trained = train(config).model.config
    assert trained.adapts_prompt and trained.trained == ["router", "diffusion"]


def test_resuming_with_other_heads_is_refused(fresh, tmp_path):
    fresh.model.save_pretrained(tmp_path)
    check_resume(fresh.model, tmp_path)
    fresh.model.config.head_layers += 1
    with pytest.raises(TrainingError, match="was made with head_layers 2, and this run has 3"):
        check_resume(fresh.model, tmp_path)
    fresh.model.config.head_layers -= 1
    fresh.model.config.base = "elsewhere"
    with pytest.raises(TrainingError, match="was made with base 'somewhere', and this run has 'elsewhere'"):
        check_resume(fresh.model, tmp_path)
    fresh.model.config.base = "somewhere"
    fresh.model.config.adapts_prompt = True
    with pytest.raises(TrainingError, match="was made with adapts_prompt False, and this run has True"):
        check_resume(fresh.model, tmp_path)
    fresh.model.config.adapts_prompt = False
    before = json.loads((tmp_path / "config.json").read_text())
    del before["adapts_prompt"]  # it was written before there was one
    (tmp_path / "config.json").write_text(json.dumps(before))
    check_resume(fresh.model, tmp_path)


@pytest.mark.parametrize(("rank", "gpus", "given"), [("5", 2, "1"), ("1", 8, "1"), ("3", 0, "3"), (None, 2, None)])
def test_processes_share_gpus(rank, gpus, given, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("LOCAL_RANK", rank)
    share_gpus()
    assert os.environ.get("LOCAL_RANK") == given


@pytest.mark.parametrize("named", [{}, {"base": "a", "checkpoint": "b"}])
def test_either_a_base_or_a_checkpoint(tmp_path, named):
    with pytest.raises(TrainingError, match="either a base, for new heads, or a checkpoint"):
        load_heads(config_for(tmp_path, **named))


def test_the_command_says_what_is_wrong(tmp_path, file, capsys):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"base: {tmp_path}/no\ntrain_file: {file}\noutput_dir: {tmp_path}/run\nuse_cpu: true\nbf16: false\n"
    )
    assert main(["--config", str(recipe)]) == 2
    assert "error: " in capsys.readouterr().out
    with pytest.raises(CheckpointError):
        load_heads(config_for(tmp_path, base=str(tmp_path / "no")))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipes_are_configurations(recipe):
    """Every key is one of the configuration's, and the 3B recipe has the defaults."""
    found = yaml.safe_load(recipe.read_text())
    assert found.keys() <= LaFuncTrainingConfig.__dataclass_fields__.keys()
    if recipe.stem == "smollm3-3b":
        defaults = LaFuncTrainingConfig(output_dir="x", use_cpu=True, bf16=False)
        assert (defaults.per_device_train_batch_size, defaults.learning_rate, defaults.warmup_steps) == (
            48,
            1e-4,
            2500,
        )
        assert (defaults.decision_weight, defaults.diffusion_weight, defaults.constraint_weight) == (1.0, 2.0, 0.5)
        assert (defaults.weight_decay, defaults.max_grad_norm, defaults.num_train_epochs) == (0.01, 1.0, 3)


WATCH = """
import json, sys
from pathlib import Path
import torch
from accelerate.state import DistributedType, PartialState
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from lafunc import train_trl

class Watched(train_trl.LaFuncTrainer):
    def save_model(self, *args, **kwargs):
        units = [name for name, module in self.model.named_modules() if isinstance(module, FSDPModule)]
        halves = {name: [list(p.shape), list(p.to_local().shape)]
                  for name, p in self.model.named_parameters() if isinstance(p, DTensor)}
        if self.is_world_process_zero():
            Path(sys.argv.pop()).write_text(json.dumps([units, halves, len(list(self.model.parameters()))]))
        super().save_model(*args, **kwargs)

# torch shards over CPUs as well; accelerate wants a device of its own.
torch.distributed.init_process_group("gloo")
PartialState._prepare_backend = lambda *given: ("gloo", DistributedType.MULTI_GPU)
PartialState.set_device = lambda state: setattr(state, "device", torch.device("cpu"))
train_trl.LaFuncTrainer = Watched
raise SystemExit(train_trl.main(sys.argv[1:3]))
"""


def test_fsdp_shards_the_layers_of_the_base(recipe, tmp_path):
    """The shipped configuration, with the tiny base's layers and two CPU processes; what it saves is a checkpoint."""
    settings = yaml.safe_load((Path(__file__).parent.parent / "recipes" / "fsdp.yaml").read_text())
    settings |= {"num_processes": 2, "mixed_precision": "no"}
    (tmp_path / "fsdp.yaml").write_text(yaml.safe_dump(settings))
    pair = make_pair("smollm3")
    assert pair.model.config.get_text_config().tie_word_embeddings
    pair.model.base.save_pretrained(tmp_path / "base")
    pair.processor.tokenizer.save_pretrained(tmp_path / "base")
    ours = yaml.safe_load(recipe.read_text())
    ours["head"] |= {"adapter_rank": 2}
    ours |= {"save_strategy": "no", "per_device_train_batch_size": 1}  # processes with and without a call at once
    recipe.write_text(yaml.safe_dump(ours))
    (tmp_path / "watch.py").write_text(WATCH)
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(tmp_path / "fsdp.yaml")]
    command += [
        "--main_process_port",
        "0",
        str(tmp_path / "watch.py"),
        "--config",
        str(recipe),
        str(tmp_path / "seen"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    units, halves, parameters = json.loads((tmp_path / "seen").read_text())
    assert {"base.model.layers.0", "base.model.layers.1"} < set(units)
    assert len(halves) == parameters
    assert all(2 * local[0] == whole[0] for name, (whole, local) in halves.items() if "self_attn" in name)
    model = LaFuncModel.from_pretrained(tmp_path / "run")
    assert model.config.trained == ["router", "diffusion", "calls"] and model.config.adapter_rank == 2
    check_sharding(model)
    with pytest.raises(TrainingError, match="FSDP needs a base whose output shares the weights"):
        check_sharding(make_pair("llama").model)
    model.config.adapts_prompt = True
    with pytest.raises(TrainingError, match="adapts_prompt is for runs without FSDP"):
        check_sharding(model)
    model.config.adapts_prompt = False
    with pytest.raises(TrainingError, match="router_rows is for runs without FSDP.*num_train_epochs: 0"):
        check_sharding(model, router_rows=10)
