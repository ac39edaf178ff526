"""Calls that are read again once they are written: fewer of them, or more."""

import jsonschema
import pytest
import torch
from conftest import FAMILIES, HELLO, LAMP, TOOLS, Pair, facts, make_pair, make_tokenizer

from lafunc import modeling_lafunc
from lafunc.calling_lafunc import Calls
from lafunc.compiling_lafunc import compile_tool
from lafunc.planning_lafunc import review
from lafunc.request_lafunc import FILLERS
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
    """Answers of the review, the same for each row; the list fills with how many calls there were."""
    seen: list[list[int]] = []

    def answer(reader, rows, max_calls):
        seen.append([len(calls.scaffold.tools) for calls in rows])
        return [counts[len(seen) - 1] for _ in rows]

    monkeypatch.setattr(modeling_lafunc, "review", answer)
    return seen


@pytest.mark.parametrize("family", FAMILIES)
def test_an_end_is_where_the_text_of_fewer_calls_and_of_more_part(family):
    vocabulary = Vocabulary(make_tokenizer(family))
    tools = [compile_tool(tool, vocabulary) for tool in (LAMP, PING, LAMP)]
    arguments = [{"on": True, "colour": "red", "level": 3}, {}, {"on": False, "colour": "blue"}]
    for count in (1, 2, 3):
        scaffold = Scaffold(tools[:count], vocabulary, vocabulary.encode("\n"))
        values = scaffold.read(arguments[:count])
        ends, text = scaffold.ends(values), scaffold.tokens(values)
        assert len(ends) == count
        for n, end in enumerate(ends, 1):
            fewer = Scaffold(tools[:n], vocabulary, vocabulary.encode("\n"))
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
def test_calls_follow_as_long_as_they_are_due(asked, monkeypatch, filler):
    alone = asked.call(HELLO, [LAMP], filler=filler, parallel_tool_calls=False).tool_calls[0]
    seen: list[int] = []

    def more(reader, rows, max_calls):
        seen.extend(len(calls.scaffold.tools) for calls in rows)
        return one_more(reader, rows, max_calls)

    monkeypatch.setattr(modeling_lafunc, "review", more)
    monkeypatch.setattr(modeling_lafunc, "plan", one_call)
    output = asked.call(HELLO, [LAMP], filler=filler, return_trace=True)
    assert seen == [1, 2, 3] and output.plan == ["set_lamp"] * 3 and len(output.tool_calls) == 3
    assert output.tool_calls[0].arguments == alone.arguments
    assert output.tool_calls[0].confidence == pytest.approx(alone.confidence, rel=1e-3)
    for call in output.tool_calls:
        jsonschema.validate(call.arguments, SCHEMAS[call.name])
        assert call.confidence.keys() <= {f"$.{name}" for name in LAMP["parameters"]["properties"]}
    told = [entry["names"] for entry in output.trace if entry["stage"] == "plan"]
    assert told == [["set_lamp"] * n for n in (1, 2, 3)]


def one_more(reader, rows, max_calls):
    return [min(len(calls.scaffold.tools) + 1, max_calls) for calls in rows]


def one_call(reader, vocabulary, rows, max_calls):
    for row in rows:
        row.plan = [row.tools[0]]


@pytest.mark.parametrize("filler", FILLERS)
def test_calls_that_are_not_due_are_dropped(asked, monkeypatch, filler):
    def three(reader, vocabulary, rows, max_calls):
        for row in rows:
            row.plan = [row.tools[0]] * 3

    monkeypatch.setattr(modeling_lafunc, "plan", three)
    whole = asked.call(HELLO, [LAMP], filler=filler, parallel_tool_calls=False)
    assert reviewed(monkeypatch, 2) == []
    output = asked.call(HELLO, [LAMP], filler=filler, return_trace=True)
    assert len(whole.tool_calls) == 3 and output.plan == ["set_lamp"] * 2
    assert [call.arguments for call in output.tool_calls] == [call.arguments for call in whole.tool_calls[:2]]
    assert all(path.startswith(("$[0]", "$[1]")) for path in [*output.absent, *output.clipped])
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
    seen = reviewed(monkeypatch, 2, 2)
    words = {"type": "object", "properties": {"words": {"type": "array", "items": {"type": "string"}}}}
    tools = [{"name": "say", "parameters": {**words, "required": ["words"]}}, PING]
    monkeypatch.setattr(modeling_lafunc.Calls, "ended", property(lambda calls: [(0, "words")]))
    output = asked.call(HELLO, tools, filler=filler)
    assert seen == [[1]] and output.plan == ["say"] and output.clipped == ["$[0].words"]


@pytest.mark.parametrize("filler", FILLERS)
def test_a_call_for_which_there_is_no_room_is_not_added(asked, monkeypatch, filler):
    monkeypatch.setattr(modeling_lafunc, "plan", one_call)
    monkeypatch.setattr(
        modeling_lafunc, "review", lambda reader, rows, most: [len(c.scaffold.tools) + 1 for c in rows]
    )
    vocabulary = asked.processor.vocabulary
    prompt = asked.processor.prompt(HELLO, [PING, LAMP])
    ping = Scaffold([compile_tool(PING, vocabulary)], vocabulary, asked.processor.opening(prompt))
    text = ping.block().tokens
    config = asked.model.config.get_text_config()
    for spare in (0, 5, 40):
        monkeypatch.setattr(config, "max_position_embeddings", len(prompt) + len(text) + spare)
        output = asked.call(HELLO, [PING, LAMP], filler=filler)
        assert output.plan[0] == "ping" and len(output.plan) <= 2


def test_the_review_counts_up_to_the_first_call_after_which_the_base_ends():
    vocabulary = Vocabulary(make_tokenizer("llama"))
    lamp = compile_tool(LAMP, vocabulary)

    class Says:
        """A reader whose base goes on after the first `calls` of each row."""

        def __init__(self, *calls: int):
            self.calls, self.rows = calls, []

        def mark(self):
            return len(self.rows)

        def rewind(self, mark):
            self.rows = self.rows[:mark]

        def read(self, rows):
            self.rows += rows
            return torch.arange(max(map(len, rows))).expand(len(rows), -1)

        def logits(self, places):
            said = torch.zeros(len(places), len(vocabulary))
            goes_on = self.calls[self.row]
            self.row += 1
            said[:goes_on, ends[0].more] = 1.0
            said[goes_on:, ends[0].over] = 1.0
            return said

        row = 0

    rows = []
    for count in (1, 3, 3, 3):
        scaffold = Scaffold([lamp] * count, vocabulary)
        rows.append(Calls(scaffold, scaffold.read([{"on": True, "colour": "red"}] * count)))
    ends = rows[0].scaffold.ends(rows[0].values)
    reader = Says(1, 0, 1, 3)
    assert review(reader, rows, 8) == [2, 1, 2, 4] and reader.rows == []
    assert review(Says(1, 0, 1, 3), rows, 3) == [2, 1, 2, 3]
