"""What is read between a prompt and its calls: an empty thought, and the request once more."""

import pytest
import torch
from conftest import FAMILIES, HELLO, TOOLS, WEATHER, Pair, facts, make_pair

from lafunc.adapters_lafunc import adapter_weights
from lafunc.filling_lafunc import Reader
from lafunc.objective_lafunc import Written, texts, writing_loss
from lafunc.output_lafunc import Stats
from lafunc.processing_lafunc import ECHO
from lafunc.scaffolding_lafunc import Scaffold

ASKED = [
    {"role": "user", "content": "first"},
    {"role": "assistant", "content": "yes"},
    {"role": "user", "content": [{"type": "text", "text": "weather "}, {"type": "text", "text": "in Oslo<pad>?"}]},
    {"role": "assistant", "content": "", "tool_calls": [{"name": "get_weather", "arguments": {"location": "Oslo"}}]},
    {"role": "tool", "content": "7 degrees"},
]


@pytest.fixture(scope="module", params=FAMILIES)
def echoing(request) -> Pair:
    """A tiny model that reads the request once more, with adapters that change what it reads."""
    pair = make_pair(request.param, adapter_rank=4, echo_tokens=12)
    torch.manual_seed(3)
    for weight in adapter_weights(pair.model.base):
        torch.nn.init.normal_(weight, std=0.3)
    return pair


def test_it_is_the_last_thing_that_the_user_said_as_text(pair):
    vocabulary = pair.processor.vocabulary
    preface = pair.processor.preface([], ASKED, 99)
    assert vocabulary.decode(preface) == ECHO + "weather in Oslo<pad>?\n"
    assert not set(preface) & set(pair.processor.tokenizer.all_special_ids)


def test_of_a_long_request_it_is_the_end(pair):
    vocabulary = pair.processor.vocabulary
    long = [{"role": "user", "content": "a" * 999 + " in Rome"}]
    around = len(vocabulary.encode(ECHO)) + len(vocabulary.encode("\n"))
    preface = pair.processor.preface([], long, 20)
    assert len(preface) == around + 20 and vocabulary.decode(preface).endswith("a in Rome\n")


def test_without_a_user_there_is_nothing_to_repeat(pair):
    assert pair.processor.vocabulary.decode(pair.processor.preface([], ASKED[1:2], 9)) == ECHO + "\n"
    assert pair.processor.preface([], ASKED, 0) == []


@pytest.mark.parametrize("thinking", [True, False])
def test_it_stands_after_an_empty_thought(thinking):
    processor = make_pair("smollm3").processor
    prompt = processor.prompt(HELLO, enable_thinking=thinking)
    preface = processor.vocabulary.decode(processor.preface(prompt, HELLO, 9))
    assert preface == ("<think>\n\n</think>\n" if thinking else "") + ECHO + "hello\n"


@pytest.mark.parametrize("filler", ["autoregressive", "diffusion", "verified"])
def test_it_is_read_once_and_counts(echoing, filler, monkeypatch):
    """After the prompt and with its adapters, before any plan; no scaffold begins with it."""
    read: list[list[list[int]]] = []
    through = Reader.read

    def noted(reader, rows, left=False):
        read.append([list(row) for row in rows])
        return through(reader, rows, left)

    monkeypatch.setattr(Reader, "read", noted)
    output = echoing.call(HELLO, TOOLS, filler=filler)
    prompt = echoing.processor.prompt(HELLO, TOOLS)
    preface = echoing.processor.preface(prompt, HELLO, 12)
    assert read[:2] == [[prompt], [preface]]
    begins = echoing.processor.vocabulary.encode(ECHO)
    assert not any(row[: len(begins)] == list(begins) for rows in read[2:] for row in rows)
    assert output.scaffold.startswith("<tool_call>")


def test_it_changes_what_is_called_and_leaves_chat_alone(echoing, monkeypatch):
    chat = echoing.call(HELLO, TOOLS, mode="chat", max_new_tokens=8)
    found = {}
    for count in (12, 0):
        monkeypatch.setattr(echoing.model.config, "echo_tokens", count)
        found[count] = [
            facts(echoing.call([{"role": "user", "content": text}], TOOLS)) for text in ("hello", "lamp", "Oslo")
        ]
        assert echoing.call(HELLO, TOOLS, mode="chat", max_new_tokens=8).text == chat.text
    assert found[12] != found[0]


@pytest.mark.parametrize("filler", ["autoregressive", "diffusion", "verified"])
def test_a_batch_equals_its_rows(echoing, filler):
    questions = [[{"role": "user", "content": text}] for text in ("hello", "weather in Oslo, please?", "x")]
    together = echoing.call(questions, [WEATHER], filler=filler)
    assert [facts(out) for out in together] == [facts(echoing.call(q, [WEATHER], filler=filler)) for q in questions]


def test_verified_equals_autoregressive(echoing):
    for text in ("hello", "weather in Oslo, please?"):
        assert facts(echoing.call(text, TOOLS, filler="verified")) == facts(
            echoing.call(text, TOOLS, filler="autoregressive")
        )


def test_it_leaves_room_for_the_calls(echoing, monkeypatch):
    """At most a quarter of what is left is given to it."""
    processor, asked = echoing.processor, [{"role": "user", "content": "hello " * 99}]
    scaffold = Scaffold(processor.compile_tools([WEATHER]), processor.vocabulary)
    least = len(scaffold.tokens({(0, "location"): processor.vocabulary.encode(' "')})) + 40
    prompt = len(processor.prompt(asked, [WEATHER]))
    monkeypatch.setattr(echoing.model.config, "echo_tokens", 10_000)
    monkeypatch.setattr(echoing.model.config.get_text_config(), "max_position_embeddings", prompt + 2 * least)
    output = echoing.call(asked, [WEATHER], filler="autoregressive", parallel_tool_calls=False)
    assert [call.name for call in output.tool_calls] == ["get_weather"]


def test_the_adapters_learn_from_it_as_if_each_text_began_with_it(echoing):
    """It is read once for all texts, and its gradient is the sum of theirs."""
    base, processor = echoing.model.base, echoing.processor
    offered = processor.compile_tools([WEATHER])
    written = texts(Scaffold(offered, processor.vocabulary), [{"location": "Oslo"}], offered)
    prompt = processor.prompt(HELLO, [WEATHER])
    preface = processor.preface(prompt, HELLO, 12)
    weights = adapter_weights(base)
    for weight in weights:
        weight.requires_grad_(True)

    def after_prompt() -> Reader:
        with torch.no_grad():
            return Reader(base, [prompt], Stats())

    def loss(reader: Reader, text: Written) -> torch.Tensor:
        return torch.stack([total for total, _ in writing_loss(reader, [text]).values()]).sum()

    shared = after_prompt()
    shared.open([preface])
    together = torch.autograd.grad(loss(shared, written["plan"]) + loss(shared, written["values"]), weights)
    alone = []
    for name in ("plan", "values"):
        text = written[name]
        asked = {what: [at + len(preface) for at in places] for what, places in text.asked.items()}
        alone.append(torch.autograd.grad(loss(after_prompt(), Written([*preface, *text.tokens], asked)), weights))
    for weight in weights:
        weight.requires_grad_(False)
    for both, plan, values in zip(together, *alone, strict=True):
        torch.testing.assert_close(both, plan + values, rtol=1e-3, atol=1e-3)
        assert plan.abs().sum() > 0 and values.abs().sum() > 0


def test_nothing_is_repeated_where_nothing_can_be_called(echoing, monkeypatch):
    read = []
    through = Reader.read
    monkeypatch.setattr(
        Reader, "read", lambda reader, rows, left=False: read.append(rows) or through(reader, rows, left)
    )
    assert echoing.call(HELLO, TOOLS, mode="auto", tool_choice="none", max_new_tokens=2).mode != "tool"
    assert len(read) == 1  # the prompt, for the router


def test_what_the_router_chooses_and_what_the_batch_chooses_agree(echoing):
    """Rows with and without tools, in one batch whose modes the router decides."""
    questions = [[{"role": "user", "content": text}] for text in ("hello", "weather in Oslo, please?", "x")]
    offered = [TOOLS, None, [WEATHER]]
    options = {"mode": "auto", "max_new_tokens": 4, "do_sample": False}
    together = echoing.call(questions, offered, **options)
    for question, tools, out in zip(questions, offered, together, strict=True):
        assert facts(echoing.call(question, tools, **options)) == facts(out)


def test_users_words_are_not_kept(echoing):
    echoing.call("a very private matter", TOOLS)
    assert not any("private" in text for text in echoing.processor.vocabulary._encoded)
