"""The router: which state it reads, and what it is fitted to."""

import copy
import threading

import pytest
import torch
from conftest import FAMILIES, HELLO, TOOLS, head_config, make_base, make_pair

from lafunc import LaFuncModel, modeling_lafunc, routing_lafunc
from lafunc.base_lafunc import CheckpointError
from lafunc.calling_lafunc import Calls
from lafunc.diffusion_lafunc import SCHEDULES
from lafunc.filling_lafunc import Reader, slides
from lafunc.output_lafunc import Stats
from lafunc.planning_lafunc import name_texts, states_after
from lafunc.request_lafunc import FILLERS, MODES
from lafunc.routing_lafunc import CALL, OFTEN, Probe, Router, listening


@pytest.mark.parametrize("layer", [1, 2])
@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_it_reads_the_state_after_its_layer_at_the_prompts_end(family, layer):
    model = make_pair(family, router_layer=layer).model
    prompts = [[5, 6, 7, 8], [9, 10]]
    with listening() as heard:
        Reader(model.base, prompts, Stats())
    after: list[torch.Tensor] = []
    handle = model.router.source(model.base).register_forward_hook(lambda module, args, output: after.append(output))
    for prompt in prompts:
        model.base(torch.tensor([prompt]))
    handle.remove()
    decoder = model.base.get_decoder()
    assert model.router.source(model.base) is decoder.layers[layer - 1]
    expected = torch.cat([(found if isinstance(found, torch.Tensor) else found[0])[:, -1] for found in after])
    torch.testing.assert_close(heard[decoder.layers[layer - 1]][:, -1], expected, rtol=1e-4, atol=1e-4)


def test_the_layer_is_at_seven_tenths_unless_the_config_says():
    assert make_pair("llama").model.router.layer == round(0.7 * 2)
    assert make_pair("llama", router_layer=2).model.router.layer == 2


@pytest.mark.parametrize("layer", [0, 3])
def test_a_layer_that_is_not_there(layer):
    base = make_base("llama", 50)
    with pytest.raises(
        CheckpointError, match=f"router_layer {layer} is none of the 2 layers of LlamaForCausalLM; leave"
    ):
        LaFuncModel.from_base(base, router_layer=layer, head_hidden_size=32, head_layers=1)


def test_two_models_over_one_base_listen_to_their_own_layers():
    pair = make_pair("llama", router_layer=1)
    other = LaFuncModel.from_base(pair.model.base, **{**head_config(pair.model), "router_layer": 2}).eval()
    pair.model.attach_base(pair.model.base)  # again
    other.router.load_state_dict(pair.model.router.state_dict())
    (one,) = [pair.call(HELLO, TOOLS, mode="auto", max_new_tokens=2).mode_probabilities]
    alone = make_pair("llama", router_layer=1)
    alone.model.base.load_state_dict(pair.model.base.state_dict())
    alone.model.router.load_state_dict(pair.model.router.state_dict())
    assert one == pytest.approx(alone.call(HELLO, TOOLS, mode="auto", max_new_tokens=2).mode_probabilities)


@torch.no_grad()
def test_a_thread_does_not_hear_another():
    model = make_pair("llama").model
    with listening() as heard:
        thread = threading.Thread(target=lambda: model.base(torch.tensor([[5, 6]])))
        thread.start()
        thread.join()
        assert heard == {}
        model.base(torch.tensor([[5, 6]]))
        assert list(heard) == [model.router.source(model.base)]
    heard.clear()
    model.base(torch.tensor([[5, 6]]))
    assert heard == {}


def test_fitting_learns_what_can_be_told_apart_and_is_the_same_each_time():
    torch.manual_seed(1)
    modes = torch.arange(300) % len(MODES)
    states = torch.randn(300, 8)
    states += 4 * torch.nn.functional.one_hot(modes, 8)
    states[:, 5] = 3000 + 900 * modes  # bases have such dimensions
    router, again = Router(8, 128, 1), Router(8, 128, 1)
    before = torch.get_rng_state()
    called = [(modes[n : n + 1] == CALL).long() for n in range(300)]
    tools = [(states[n : n + 1].clone(), called[n]) if n % 2 else (states[:0], called[n][:0]) for n in range(300)]
    named = [(states[n : n + 2].clone(), (modes[n : n + 2] != 0).long()) for n in range(0, 300)]
    for n in range(1, 300, 6):  # of these tools that are called, each second one twice
        states[n, 7] = tools[n][0][:, 7] = 30.0
        called[n] *= 2
    found = router.fit(states, modes, tools, named)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(0)
    held_out = torch.randperm(300)[::10].tolist()
    right = {"held_out": 30, "right": 30, "called": 30}
    assert {name: found[name] for name in right} == right
    assert found["tools"] == found["tools_right"] == found["counts_right"] == 12
    assert found["arguments"] == found["arguments_right"] == sum(len(named[n][1]) for n in held_out)
    assert again.fit(states.bfloat16(), modes) == right
    again.fit(states, modes, tools, named)
    assert all(
        torch.equal(a, b) for a, b in zip(router.state_dict().values(), again.state_dict().values(), strict=True)
    )


def test_fitting_says_what_is_wrong_of_rows_it_has_not_seen():
    torch.manual_seed(1)
    modes = torch.arange(300) % len(MODES)
    assert Router(8, 16, 1).fit(torch.randn(300, 8), modes)["right"] < 20  # nothing can be learned from noise


@pytest.mark.parametrize("alike", [True, False])
def test_fitting_says_how_it_goes_on_sources_left_out(alike):
    """What is a call in two families is so in the third; or is chat there, and the other way round."""
    torch.manual_seed(1)
    modes = torch.arange(300) % len(MODES)
    families = [("near_a", "near_b", "close", "odd")[n % 4] for n in range(300)]
    odd = torch.tensor([family == "odd" for family in families])
    states = torch.randn(300, 8) + 6 * torch.nn.functional.one_hot(
        torch.where(odd & (not alike), CALL - modes, modes), 8
    )
    states[:, 7] += 6 * odd
    tools = [(states[n : n + 1].clone(), (modes[n : n + 1] == CALL).long()) for n in range(300)]
    tools[0] = (states[:0], modes[:0])  # offers none, so nothing can be told of it
    router = Router(8, 64, 1)
    found = router.fit(states, modes, tools, sources=families)
    weights = copy.deepcopy(router.state_dict())
    assert found["right"] >= 27  # it has seen some of each
    abroad = found["abroad"]
    assert (abroad["calls"], abroad["none"]) == (100, 199)
    if alike:
        assert abroad["calls_right"] > 95 and abroad["none_right"] > 190
    else:  # a quarter of the calls and of the rows of chat are odd
        assert abroad["calls_right"] <= 75 and abroad["none_right"] <= 174
    assert "abroad" not in router.fit(states, modes, tools, sources=["near_a", "near_b"] * 150)
    assert "abroad" not in router.fit(states, modes, tools)
    router.fit(states, modes, tools)
    assert all(
        torch.equal(weights[name], weight) for name, weight in router.state_dict().items()
    )  # nor do they change


def test_a_call_is_due_where_the_prompt_and_a_tool_say_so():
    router = Router(4, 8, 1)
    states = torch.randn(3, 4)
    alone = router.modes(states, [None] * 3)
    torch.testing.assert_close(alone, router(states).softmax(dim=-1))
    both = router.modes(states, [torch.tensor([[0.1, 0.0], [0.9, 0.8]]), None, torch.tensor([[0.0, 0.0]])])
    torch.testing.assert_close(both.sum(dim=-1), torch.ones(3))
    expected = torch.stack([(alone[0, CALL] + 0.9) / 2, alone[1, CALL], alone[2, CALL] / 2])
    torch.testing.assert_close(both[:, CALL], expected)
    torch.testing.assert_close(both[:, 0] / both[:, 1], alone[:, 0] / alone[:, 1])  # chat or think stays what it was


def test_of_each_tool_it_is_said_how_often_it_is_called():
    """It depends on the other tools and the prompt, not on the order of the tools, and not on other rows."""
    router = Router(4, 8, 1)
    states, end = torch.randn(3, 4), torch.randn(4)
    odds = router.called(states, end)
    assert odds.shape == (3, OFTEN) and (odds.diff(dim=-1) <= 0).all() and (odds > 0).all() and (odds < 1).all()
    torch.testing.assert_close(router.called(states.flip(0), end), odds.flip(0))
    assert not torch.allclose(router.called(states[:1], end), odds[:1])
    assert not torch.allclose(router.called(states, end + 1), odds)


NAMES = [tool["name"] for tool in TOOLS]


@pytest.mark.parametrize("filler", FILLERS)
def test_the_router_says_which_arguments_are_given(filler, monkeypatch):
    """Optional ones are written or left out as it is sure of, required ones are asked for."""
    properties = {name: {"type": "boolean"} for name in ("lamp", "door", "fan")}
    tool = {
        "name": "switch",
        "description": "Switch things.",
        "parameters": {"type": "object", "properties": properties, "required": ["fan"], "additionalProperties": False},
    }
    pair = make_pair(
        "llama",
        trained=["router", "arguments", "diffusion"],
        presence_weight=1.0,
        needs_weights=[1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        needs_threshold=0.5,
    )
    sure = 1 - 1e-9
    for odds in ([sure, 1 - sure, sure], [1 - sure, sure, sure], [sure, sure, 1 - sure]):
        monkeypatch.setattr(pair.model.router, "given", lambda states, odds=odds: torch.tensor(odds))
        found = pair.call(HELLO, [tool], mode="tool", filler=filler)
        given = {name for name, p in zip(properties, odds, strict=True) if p > 0.5}
        if "fan" in given:
            assert [set(call.arguments) for call in found.tool_calls] == [given] and not found.needs
        else:
            assert [need.path for need in found.needs] == ["$.fan"] and not found.tool_calls


def test_arguments_are_asked_about_once_and_not_where_there_are_too_many(monkeypatch):
    pair = make_pair("llama", trained=["router", "arguments", "diffusion"])
    asked = []
    said = pair.model.router.given
    monkeypatch.setattr(pair.model.router, "given", lambda states: asked.append(len(states)) or said(states))
    ask = pair.model._ask_arguments
    monkeypatch.setattr(pair.model, "_ask_arguments", lambda *given: [ask(*given) for _ in range(2)])
    first, second = NAMES
    pair.call(HELLO, TOOLS, mode="tool", tool_choice=[first, second, first])
    tools = pair.processor.compile_tools(TOOLS)
    assert asked == [sum(len(tool.parameters["properties"]) for tool in tools)]
    monkeypatch.setattr(modeling_lafunc, "SIDE_BY_SIDE", 5)
    assert pair.call(HELLO, TOOLS, mode="tool", tool_choice=[first, second]).tool_calls and len(asked) == 1


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", FAMILIES)
def test_names_are_read_side_by_side_as_each_would_be_alone(family, attention):
    """Also those of other rows, longer and shorter, and rows without any; and nothing is left of them."""
    pair = make_pair(family)
    base, processor, layer = pair.model.base, pair.processor, pair.model.router.source(pair.model.base)
    base.set_attn_implementation(attention)
    offered = [TOOLS, TOOLS[:1], [], TOOLS[1:]]
    prompts = [processor.prompt(HELLO, tools) for tools in offered]
    texts = [name_texts([tool["name"] for tool in tools], processor.vocabulary) for tools in offered]
    with torch.no_grad():
        reader = Reader(base, prompts, Stats())
        mark, stats = reader.mark(), copy.deepcopy(reader.stats)
        found = states_after(reader, texts, layer)
        assert reader.mark() == mark and reader.cache.get_seq_length() == reader.mask.shape[1]
        after = reader.read([[1, 2]] * 4)
        assert reader.stats.base_passes - stats.base_passes == (2 if not slides(reader.cache) else 1 + len(TOOLS))
        for b, (prompt, own) in enumerate(zip(prompts, texts, strict=True)):
            alone = Reader(base, [prompt], Stats())
            assert len(found[b]) == len(own)
            for n, text in enumerate(own):
                with listening() as heard:
                    alone.read([text])
                torch.testing.assert_close(found[b][n], heard[layer][0, -1], rtol=1e-4, atol=1e-4)
                alone = Reader(base, [prompt], Stats())
            torch.testing.assert_close(after[b], alone.read([[1, 2]])[0], rtol=1e-4, atol=1e-4)


def set_odds(pair, odds: list[list[float]], sure: float, monkeypatch):
    """The router finds each tool called at least once, twice, ... with these odds; the base is so sure of more."""
    monkeypatch.setattr(pair.model.config, "trained", ["router", "tools", "diffusion", "calls"])
    monkeypatch.setattr(
        modeling_lafunc, "follows", lambda reader, rows: [[sure] * len(c.scaffold.tools) for c in rows]
    )
    monkeypatch.setattr(pair.model.router, "called", lambda states, end: torch.tensor(odds)[: len(states)])


def call_with_odds(pair, odds: dict[str, float], monkeypatch, **options):
    """What is planned where the router gives the tools these odds of one call, in that order."""
    set_odds(pair, [[p, 0.0] for p in odds.values()], 0.4, monkeypatch)
    output = pair.call(HELLO, TOOLS, **options)
    assert output.tool_probabilities == pytest.approx(odds)
    return output


def test_each_tool_that_is_called_is_planned(monkeypatch):
    pair = make_pair("llama")
    first, second = NAMES
    found = call_with_odds(pair, {first: 0.9, second: 0.8}, monkeypatch, mode="tool")
    assert sorted(found.plan) == sorted([first, second])
    assert call_with_odds(pair, {first: 0.4, second: 0.8}, monkeypatch, mode="tool").plan == [second]
    assert call_with_odds(pair, {first: 0.2, second: 0.1}, monkeypatch, mode="tool").plan == [
        first
    ]  # one is called for sure
    one = call_with_odds(pair, {first: 0.8, second: 0.9}, monkeypatch, mode="tool", parallel_tool_calls=False)
    assert one.plan == [second]
    monkeypatch.setattr(pair.model.config, "max_calls", 1)
    assert call_with_odds(pair, {first: 0.8, second: 0.9}, monkeypatch, mode="tool").plan == [second]


def test_the_tools_have_a_say_in_the_mode(monkeypatch):
    pair = make_pair("llama")
    pair.model.router.out.weight.data.zero_()
    pair.model.router.out.bias.data.copy_(torch.tensor([0.0, -20.0, 0.0]))  # chat or tool
    first, second = NAMES
    assert call_with_odds(pair, {first: 0.1, second: 0.3}, monkeypatch, mode="auto", max_new_tokens=1).mode == "chat"
    output = call_with_odds(pair, {first: 0.1, second: 0.7}, monkeypatch, mode="auto")
    assert (output.mode, output.plan) == ("tool", [second])
    assert output.mode_probabilities == pytest.approx({"chat": 0.4, "think": 0.0, "tool": 0.6}, abs=1e-4)


def test_a_router_that_knows_no_tools_is_not_asked_for_them():
    output = make_pair("llama").call(HELLO, TOOLS, mode="tool")
    assert output.tool_probabilities is None and output.plan


def test_each_tool_is_planned_as_often_as_it_is_called(monkeypatch):
    pair = make_pair("llama", max_calls=4)
    first, second = NAMES
    odds = [[0.9, 0.8, 0.3], [0.7, 0.6, 0.1]]
    set_odds(pair, odds, 0.5, monkeypatch)
    output = pair.call(HELLO, TOOLS, mode="tool")
    assert sorted(output.plan) == sorted(2 * [first, second])
    assert output.tool_probabilities == pytest.approx({first: 0.9, second: 0.7})
    assert pair.call(HELLO, TOOLS, mode="tool", parallel_tool_calls=False).plan == [first]
    monkeypatch.setattr(pair.model.config, "max_calls", 3)
    assert sorted(pair.call(HELLO, TOOLS, mode="tool").plan) == sorted([first, first, second])
    assert pair.call(HELLO, TOOLS[:1], mode="tool").plan == [first, first]


@pytest.mark.parametrize("filler", FILLERS)
def test_as_many_calls_are_planned_as_there_is_room_for(filler, monkeypatch):
    pair = make_pair("llama")
    monkeypatch.setattr(Calls, "distinct", lambda self: list(range(len(self.scaffold.tools))))  # it repeats itself
    set_odds(pair, [[0.9, 0.9, 0.9, 0.9, 0.9]], 0.0, monkeypatch)
    tool = TOOLS[:1]
    assert pair.call(HELLO, tool, mode="tool", filler=filler).plan == [NAMES[0]]  # the base is sure of one alone
    set_odds(pair, [[0.9, 0.9, 0.9, 0.9, 0.9]], 0.2, monkeypatch)
    assert pair.call(HELLO, tool, mode="tool", filler=filler).plan == 8 * [NAMES[0]]  # five or more, and max_calls
    prompt = pair.processor.prompt(HELLO, tool)
    monkeypatch.setattr(pair.model.config.get_text_config(), "max_position_embeddings", len(prompt) + 120)
    output = pair.call(HELLO, tool, mode="tool", filler=filler)
    assert 0 < len(output.plan) < 5 and len(output.tool_calls) == len(output.plan)


@pytest.mark.parametrize("odds", [[0.9, 0.9, 0.9], [0.9, 0.1, 0.1]])
def test_a_call_that_repeats_another_is_not_made_twice(odds, monkeypatch):
    """Whether it was planned or added; unless it was asked for."""
    pair = make_pair("llama")
    tool = {"name": "ping", "description": "Ping.", "parameters": {"type": "object", "properties": {}}}
    set_odds(pair, [odds], 0.95, monkeypatch)
    assert pair.call(HELLO, [tool], mode="tool").plan == ["ping"]
    assert pair.call(HELLO, [tool], mode="tool", tool_choice=["ping", "ping"]).plan == ["ping", "ping"]


def test_a_doubtful_second_call_of_one_tool_takes_no_other_with_it(monkeypatch):
    pair = make_pair("llama")
    set_odds(pair, [[0.97, 0.55], [0.96, 0.01]], 0.4, monkeypatch)
    assert sorted(pair.call(HELLO, TOOLS, mode="tool").plan) == sorted(NAMES)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("filler", FILLERS)
def test_a_call_without_any_argument_where_none_is_given(filler, schedule, monkeypatch):
    properties = {name: {"type": "boolean"} for name in ("lamp", "door")}
    tool = {"name": "switch", "description": "Switch.", "parameters": {"type": "object", "properties": properties}}
    pair = make_pair("llama", trained=["router", "arguments", "diffusion"], presence_weight=1.0)
    monkeypatch.setattr(pair.model.router, "given", lambda states: torch.full((len(states),), 1e-9))
    calls = pair.call(HELLO, [tool], mode="tool", filler=filler, schedule=schedule).tool_calls
    assert [call.arguments for call in calls] == [{}]


@pytest.mark.parametrize(("sure", "planned"), [(0.95, 4), (0.75, 3), (0.5, 2)])
def test_one_more_call_is_planned_where_router_and_base_agree(sure, planned, monkeypatch):
    pair = make_pair("llama", max_calls=4)
    set_odds(pair, [[0.9, 0.3, 0.2], [0.8, 0.1, 0.0]], sure, monkeypatch)
    assert len(pair.call(HELLO, TOOLS).plan) == planned


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_is_planned_as_each_would_be_alone(family):
    """With several tools, one, none, and a plan of its own."""
    pair = make_pair(family, trained=["router", "tools", "diffusion", "calls"], max_calls=3)
    conversations = [HELLO, [{"role": "user", "content": "lamp off, please"}], HELLO, HELLO]
    tools = [TOOLS, TOOLS[:1], None, TOOLS]
    together = pair.call(conversations, tools, mode="auto", max_new_tokens=2)
    for output, messages, offered in zip(together, conversations, tools, strict=True):
        alone = pair.call(messages, offered, mode="auto", max_new_tokens=2)
        assert (output.mode, output.plan, output.text) == (alone.mode, alone.plan, alone.text)
        assert (output.tool_probabilities is None) == (alone.tool_probabilities is None) == (not offered)
        assert output.mode_probabilities == pytest.approx(alone.mode_probabilities, abs=1e-4)


def test_names_for_which_there_is_no_room_are_not_read(monkeypatch):
    pair = make_pair("llama", trained=["router", "tools", "diffusion", "calls"])
    prompt = pair.processor.prompt(HELLO, TOOLS)
    monkeypatch.setattr(pair.model.config.get_text_config(), "max_position_embeddings", len(prompt) + 4)
    monkeypatch.setattr(pair.model.router, "modes", lambda states, called: torch.tensor([[1.0, 0.0, 0.0]]))
    output = pair.call(HELLO, TOOLS, mode="auto", max_new_tokens=2)
    assert output.mode == "chat" and output.tool_probabilities is None


def test_probes_learn_with_dropout_and_answer_without(monkeypatch):
    states, classes = torch.randn(64, 8), torch.arange(64) % 2
    probe = Probe(8, 16, 2)

    def learned(dropout):
        monkeypatch.setattr(routing_lafunc, "DROPOUT", dropout)
        torch.manual_seed(0)
        probe.learn(states, classes)
        return probe.out.weight.detach().clone()

    assert not torch.equal(learned(routing_lafunc.DROPOUT), learned(0.0))
    assert torch.equal(probe(states), probe(states))
