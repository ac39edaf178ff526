"""Calls that are read again once they are written: is another one due?"""

import math

import jsonschema
import pytest
import torch
from conftest import FAMILIES, HELLO, LAMP, TOOLS, Pair, facts, make_pair, make_tokenizer
from transformers import DynamicCache

from lafunc import modeling_lafunc
from lafunc.calling_lafunc import Calls
from lafunc.compiling_lafunc import compile_tool
from lafunc.configuration_lafunc import EVENLY, WHOLE
from lafunc.filling_lafunc import slides
from lafunc.planning_lafunc import due_tools, follows, standing_calls, summed, together
from lafunc.request_lafunc import FILLERS, MAX_SENTENCES, Request, read_request
from lafunc.scaffolding_lafunc import Scaffold
from lafunc.vocabulary_lafunc import Vocabulary

PING = {
    "name": "ping",
    "description": "",
    "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
}
SCHEMAS = {tool["name"]: tool["parameters"] for tool in TOOLS}


@pytest.fixture(params=FAMILIES)
def asked(request) -> Pair:
    """A tiny model that is asked whether its calls are all; it answers by chance."""
    return make_pair(request.param, trained=["router", "diffusion", "calls"], max_calls=3)


def reviewed(monkeypatch, *counts: int) -> list[list[int]]:
    """So many calls are due, the same of each row; the list fills with how many there were when it was asked."""
    seen: list[list[int]] = []

    def answer(reader, rows):
        seen.append([len(calls.scaffold.tools) for calls in rows])
        return [[float(n < counts[len(seen) - 1]) for n in range(1, count + 1)] for count in seen[-1]]

    monkeypatch.setattr(modeling_lafunc, "follows", answer)
    return seen


@pytest.mark.parametrize("family", FAMILIES)
def test_an_end_is_where_the_text_of_fewer_calls_and_of_more_part(family):
    vocabulary = Vocabulary(make_tokenizer(family))
    tools = [compile_tool(tool, vocabulary) for tool in (LAMP, PING, LAMP)]
    arguments = [{"on": True, "colour": "red", "level": 3}, {}, {"on": False, "colour": "blue"}]
    for count in (1, 2, 3):
        scaffold = Scaffold(tools[:count], vocabulary)
        values = scaffold.read(arguments[:count])
        ends, text = scaffold.ends(values), scaffold.tokens(values)
        assert len(ends) == count
        for n, end in enumerate(ends, 1):
            fewer = Scaffold(tools[:n], vocabulary)
            alone = fewer.tokens({path: value for path, value in values.items() if path[0] < n})
            assert text[: len(end.tokens)] == end.tokens == alone[: len(end.tokens)]
            assert end.over == (alone[len(end.tokens)] if len(end.tokens) < len(alone) else vocabulary.end)
            assert n == count or text[len(end.tokens)] == end.more
            assert vocabulary.decode(alone[end.start :]) == end.text


@pytest.mark.parametrize("family", FAMILIES)
def test_a_scaffold_that_goes_on_is_that_of_all_the_calls(family):
    vocabulary = Vocabulary(make_tokenizer(family))
    tools = [compile_tool(tool, vocabulary) for tool in (LAMP, PING, LAMP)]
    arguments = [{"on": True, "colour": "red", "level": 3}, {}, {"on": False, "colour": "blue"}]
    whole = Scaffold(tools, vocabulary)
    before = Scaffold(tools[:2], vocabulary)
    longer = before.followed_by(tools[2], before.read(arguments[:2]))
    values = whole.read(arguments)
    assert longer.tokens(values) == whole.tokens(values) and longer.arguments(values) == arguments
    assert whole.tokens(values)[: len(longer.beginning)] == longer.beginning


@pytest.mark.parametrize("filler", FILLERS)
def test_calls_follow_as_long_as_they_are_due(asked, monkeypatch, filler, repeats_itself):
    alone = asked.call(HELLO, [LAMP], filler=filler, parallel_tool_calls=False).tool_calls[0]
    seen = reviewed(monkeypatch, 9, 9, 9)
    monkeypatch.setattr(modeling_lafunc, "plan", one_call)
    output = asked.call(HELLO, [LAMP], filler=filler, return_trace=True)
    assert seen == [[1], [2], [3]] and output.plan == ["set_lamp"] * 3 and len(output.tool_calls) == 3
    assert output.tool_calls[0].arguments == alone.arguments
    assert output.tool_calls[0].confidence == pytest.approx(alone.confidence, rel=1e-3)
    for call in output.tool_calls:
        jsonschema.validate(call.arguments, SCHEMAS[call.name])
        assert call.confidence.keys() <= {f"$.{name}" for name in LAMP["parameters"]["properties"]}
    told = [entry["names"] for entry in output.trace if entry["stage"] == "plan"]
    assert told == [["set_lamp"] * n for n in (1, 2, 3)]


@pytest.mark.parametrize(("constant", "calls"), [(-100.0, 1), (100.0, 3)])
def test_the_weights_of_the_config_decide_on_another_call(asked, monkeypatch, repeats_itself, constant, calls):
    monkeypatch.setattr(modeling_lafunc, "plan", one_call)
    monkeypatch.setattr(asked.model.config, "more_weights", [1.0, 1.0, 0.0, constant])
    assert asked.call(HELLO, [LAMP]).plan == ["set_lamp"] * calls


def test_a_call_follows_for_what_the_request_lists_and_is_told_of_the_rest(asked, monkeypatch, repeats_itself):
    """Without a series there is one call; with it one follows, which is told of the colours that remain."""
    told = []
    transcript = Request.transcript
    monkeypatch.setattr(Request, "transcript", lambda *args: told.append(args[-1]) or transcript(*args))
    monkeypatch.setattr(modeling_lafunc, "plan", one_call)
    monkeypatch.setattr(asked.model.config, "copy_weight", 3.0)
    monkeypatch.setattr(asked.model.config, "more_weights", [0.0, 0.0, 2.0, -1.0])
    monkeypatch.setattr(asked.model.config, "max_calls", 2)
    for text, calls in (("One lamp red, one green and one blue", 2), ("One lamp on", 1)):
        told.clear()
        output = asked.call([{"role": "user", "content": text}], [LAMP], filler="autoregressive")
        colour = output.tool_calls[0].arguments["colour"]
        assert told == [text, text.replace(colour, " " * len(colour))][:calls] and len(output.tool_calls) == calls


@pytest.fixture
def repeats_itself(monkeypatch):
    """What a random base writes again stands."""
    monkeypatch.setattr(Calls, "distinct", lambda self: list(range(len(self.scaffold.tools))))


def one_call(reader, vocabulary, rows, max_calls):
    for row in rows:
        row.plan = [row.tools[0]]


@pytest.mark.parametrize("filler", FILLERS)
def test_calls_that_are_not_due_are_dropped(asked, monkeypatch, filler, repeats_itself):
    def three(reader, vocabulary, rows, max_calls):
        for row in rows:
            row.plan = [row.tools[0]] * 3

    monkeypatch.setattr(modeling_lafunc, "plan", three)
    whole = asked.call(HELLO, [LAMP], filler=filler, parallel_tool_calls=False)
    assert reviewed(monkeypatch, 2) == []
    output = asked.call(HELLO, [LAMP], filler=filler, return_trace=True)
    assert len(whole.tool_calls) == 3 and output.plan == ["set_lamp"] * 2
    assert [call.arguments for call in output.tool_calls] == [call.arguments for call in whole.tool_calls[:2]]
    assert all(path.startswith(("$[0]", "$[1]")) for path in [*output.evidence, *output.clipped])
    assert output.scaffold.count("<tool_call>") == 2
    assert [entry["names"] for entry in output.trace if entry["stage"] == "plan"][-1] == output.plan


@pytest.mark.parametrize("filler", FILLERS)
def test_a_batch_gets_what_each_would_get_alone(asked, filler):
    conversations = [HELLO, [{"role": "user", "content": "Lamp off, then on"}], [{"role": "user", "content": "ping"}]]
    tools = [TOOLS, [LAMP], [PING, LAMP]]
    together = asked.call(conversations, tools, filler=filler)
    for output, messages, offered in zip(together, conversations, tools, strict=True):
        alone = asked.call(messages, offered, filler=filler)
        assert facts(output) == facts(alone) and 1 <= len(output.plan) <= 3


@pytest.mark.parametrize("options", [{"tool_choice": "set_lamp"}, {"parallel_tool_calls": False}])
def test_calls_that_were_asked_for_are_not_reviewed(asked, monkeypatch, options):
    seen = reviewed(monkeypatch)
    assert len(asked.call(HELLO, TOOLS, **options).plan) == 1 and seen == []


def test_who_has_not_learned_it_is_not_asked(pair, monkeypatch):
    seen = reviewed(monkeypatch)
    assert pair.call(HELLO, TOOLS).plan and seen == []


@pytest.mark.parametrize("filler", FILLERS)
def test_no_call_follows_a_value_that_ran_away(asked, monkeypatch, filler):
    monkeypatch.setattr(modeling_lafunc, "plan", one_call)
    seen = reviewed(monkeypatch, 2)
    words = {"type": "object", "properties": {"words": {"type": "array", "items": {"type": "string"}}}}
    tools = [{"name": "say", "parameters": {**words, "required": ["words"]}}, PING]
    monkeypatch.setattr(modeling_lafunc.Calls, "ended", property(lambda calls: [(0, "words")]))
    output = asked.call(HELLO, tools, filler=filler)
    assert seen == [[1]] and output.plan == ["say"] and output.clipped == ["$[0].words"]


@pytest.mark.parametrize("filler", FILLERS)
def test_a_call_for_which_there_is_no_room_is_not_added(asked, monkeypatch, filler):
    monkeypatch.setattr(modeling_lafunc, "plan", one_call)
    monkeypatch.setattr(modeling_lafunc, "follows", lambda reader, rows: [[1.0] * 2 for _ in rows])
    vocabulary = asked.processor.vocabulary
    prompt = asked.processor.prompt(HELLO, [PING, LAMP])
    ping = Scaffold([compile_tool(PING, vocabulary)], vocabulary)
    text = [*asked.processor.opening(prompt), *ping.block().tokens]
    config = asked.model.config.get_text_config()
    for spare in (0, 5, 40):
        monkeypatch.setattr(config, "max_position_embeddings", len(prompt) + len(text) + spare)
        output = asked.call(HELLO, [PING, LAMP], filler=filler)
        assert output.plan[0] == "ping" and len(output.plan) <= 2


class Says:
    """A reader whose base would have written these calls, and then ended."""

    def __init__(self, *texts: list[int]):
        self.texts, self.reads, self.row = texts, 0, 0

    def mark(self):
        return self.reads

    def rewind(self, mark):
        self.reads = mark

    def read(self, rows):
        self.reads += 1
        width = max(map(len, rows))
        return torch.tensor([[(b, at) for at in range(width)] for b in range(len(rows))])  # [B, S, 2]

    def logits(self, places):
        said = torch.zeros(*places.shape[:-1], VOCABULARY_SIZE)
        for logits, (b, at) in zip(said.view(-1, VOCABULARY_SIZE), places.view(-1, 2).tolist(), strict=True):
            logits[self.texts[b][at + 1 :][:1] or self.texts[b][-1:]] = 1.0
        return said


VOCABULARY_SIZE = len(Vocabulary(make_tokenizer("llama")))


def test_another_call_follows_where_the_base_would_not_end():
    vocabulary = Vocabulary(make_tokenizer("llama"))
    lamp, ping = (compile_tool(tool, vocabulary) for tool in (LAMP, PING))

    def calls(*tools) -> Calls:
        scaffold = Scaffold(tools, vocabulary)
        given = [{"on": True, "colour": "red"} if tool is lamp else {} for tool in tools]
        return Calls(scaffold, scaffold.read(given))

    def said(*tools) -> list[int]:
        one = calls(*tools)
        end = one.scaffold.ends(one.values)[-1]
        return [*end.tokens, end.over]

    reader = Says(said(lamp), said(lamp, ping), said(lamp, lamp))
    found = follows(reader, [calls(lamp), calls(lamp), calls(lamp, lamp)])
    assert [[p > 0.5 for p in row] for row in found] == [[False], [True], [True, False]]
    assert reader.reads == 0


def test_what_stands_is_due_as_router_and_base_say_on_the_whole():
    vocabulary = Vocabulary(make_tokenizer("llama"))
    lamp, ping = (compile_tool(tool, vocabulary) for tool in (LAMP, PING))
    three = Calls(Scaffold([lamp, ping, lamp], vocabulary))
    assert standing_calls(three, [0.9, 0.4, 0.0], None, EVENLY) == 2
    odds = {"set_lamp": [0.9, 0.8], "ping": [0.3, 0.1]}
    assert standing_calls(three, [0.9, 0.3, 0.0], odds, EVENLY) == 3
    assert standing_calls(three, [0.9, 0.1, 0.0], odds, EVENLY) == 2
    assert standing_calls(three, [0.6, 0.9, 0.0], odds, EVENLY) == 1
    once = {**odds, "set_lamp": [0.8]}
    assert standing_calls(three, [0.9, 0.3, 0.0], once, EVENLY) == 3  # the last one counts for more
    before = Scaffold([ping], vocabulary)
    longer = before.followed_by(lamp, before.read([{}]))
    assert standing_calls(Calls(longer), [0.0, 0.0], odds, EVENLY) == 2


def test_one_more_call_is_due_of_the_tools_that_router_and_base_agree_on():
    vocabulary = Vocabulary(make_tokenizer("llama"))
    lamp, ping = (compile_tool(tool, vocabulary) for tool in (LAMP, PING))
    two = Calls(Scaffold([lamp, ping], vocabulary))
    odds = {"set_lamp": [0.9, 0.4, 0.3], "ping": [0.9, 0.1, 0.0]}
    assert due_tools(two, 2, 0.5, odds, [lamp, ping], EVENLY) == []
    assert due_tools(two, 2, 0.7, odds, [lamp, ping], EVENLY) == [lamp]
    assert due_tools(two, 2, 0.95, odds, [lamp, ping], EVENLY) == [lamp, ping]
    assert due_tools(two, 2, 0.4, None, [lamp, ping], EVENLY) == []
    assert due_tools(two, 2, 0.6, None, [lamp, ping], EVENLY) == [lamp, ping]


def test_another_call_is_due_for_what_the_calls_leave_out():
    vocabulary = Vocabulary(make_tokenizer("llama"))
    lamp = compile_tool(LAMP, vocabulary)
    scaffold = Scaffold([lamp], vocabulary)
    values = scaffold.read([{"on": True, "colour": "red"}])
    for asked, due in (("One lamp red and one blue", [lamp]), ("The lamp red", []), ("", [])):
        one = Calls(scaffold, values=values, asked=asked)
        assert due_tools(one, 1, 0.1, None, [lamp], [1.0, 0.0, 3.0, 0.0]) == due
        assert due_tools(one, 1, 0.1, None, [lamp], EVENLY) == []


def test_calls_that_repeat_another_word_for_word_are_told_apart_and_dropped():
    vocabulary = Vocabulary(make_tokenizer("llama"))
    lamp, ping = (compile_tool(tool, vocabulary) for tool in (LAMP, PING))
    lit, dark = {"on": True, "colour": "red"}, {"on": False, "colour": "red"}
    given = [lit, {}, lit, dark, {}]
    scaffold = Scaffold([lamp, ping, lamp, lamp, ping], vocabulary)
    calls = Calls(scaffold, values=scaffold.read(given))
    calls.confidence = {path: 0.1 * path[0] for path in calls.values}
    calls.clipped = [(3, "on")]
    assert calls.distinct() == [0, 1, 3]
    calls.keep(calls.distinct())
    assert calls.scaffold.arguments(calls.values) == [lit, {}, dark]
    assert [tool.name for tool in calls.scaffold.tools] == [lamp.name, ping.name, lamp.name]
    assert {path: calls.confidence[path] for path in calls.confidence if path[-1] == "on"} == pytest.approx(
        {(0, "on"): 0.0, (2, "on"): 0.3}
    )
    assert calls.confidence.keys() == calls.values.keys() and calls.clipped == [(2, "on")]
    assert calls.distinct() == [0, 1, 2]


def test_counts_of_several_places_add_up():
    assert summed([[0.9, 0.2]]) == pytest.approx([0.9, 0.2])
    assert summed([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]) == pytest.approx([1.0, 1.0])
    assert summed([[0.5, 0.0, 0.0], [0.5, 0.0, 0.0]]) == pytest.approx([0.75, 0.25, 0.0])
    assert summed([[0.5, 0.5], [0.5, 0.5]]) == pytest.approx([0.75, 0.75])  # twice or not at all, and that twice
    assert together(0.3, 0.9, WHOLE) == pytest.approx(0.3) and together(0.3, 0.9, [0.0, 1.0, 0.0]) == pytest.approx(
        0.9
    )


def test_a_request_is_read_by_sentences(any_pair, monkeypatch):
    """By their word alone tools are called as often as they are by each."""
    monkeypatch.setattr(any_pair.model.config, "trained", ["router", "tools"])
    tools, parts = [LAMP, PING], ["Lamp on, please.", "Ping me!", "And off with it"]
    heard = {}
    for weights in (WHOLE, [0.0, 1.0, 0.0]):
        monkeypatch.setattr(any_pair.model.config, "sentence_weights", weights)
        for text in [*parts, " ".join(parts)]:
            asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
            output = any_pair.call(asked, tools, filler="autoregressive", mode="tool")
            heard[text, weights[0]] = output.tool_probabilities
            batch = any_pair.call(
                [asked, [{"role": "user", "content": "x"}]], tools, filler="autoregressive", mode="tool"
            )
            assert batch[0].tool_probabilities == pytest.approx(output.tool_probabilities, abs=1e-4)
            assert output.stats.prompt_tokens < 2 * len(any_pair.processor.prompt(asked, tools))
    if slides(DynamicCache(config=any_pair.model.base.config)):  # there the request alone is heard
        assert heard[" ".join(parts), 0.0] == heard[" ".join(parts), 1.0]
        return
    for name in ("set_lamp", "ping"):
        none = math.prod(1 - heard[part, 1.0][name] for part in parts)
        assert heard[" ".join(parts), 0.0][name] == pytest.approx(1 - none, abs=1e-3)
        assert all(heard[part, 0.0][name] == pytest.approx(heard[part, 1.0][name], abs=1e-4) for part in parts)


def test_requests_of_very_many_sentences_are_read_as_a_whole(pair):
    def prompts(count: int) -> list:
        asked = [{"role": "user", "content": "Ping! " * count}]
        model = pair.model
        request = read_request(asked, [PING], pair.processor, model.config, "tool", "auto", "autoregressive")
        return request.sentences()

    assert [len(prompts(count)) for count in (1, 2, MAX_SENTENCES, MAX_SENTENCES + 1)] == [0, 2, MAX_SENTENCES, 0]
    assert prompts(2)[0] == pair.processor.prompt([{"role": "user", "content": "Ping!"}], [PING])
