"""What is read before plan and calls: the prompt, with the adapters on if `adapts_prompt`, and an empty thought."""

import pytest
import torch
from conftest import FAMILIES, HELLO, TOOLS, WEATHER, Pair, facts, make_pair

from lafunc.adapters_lafunc import adapter_weights
from lafunc.evaluation.bfcl import Row
from lafunc.evaluation.systems import Beginnings, answers, systems
from lafunc.filling_lafunc import Reader
from lafunc.objective_lafunc import Written, texts, writing_loss
from lafunc.output_lafunc import Stats
from lafunc.planning_lafunc import read_aside
from lafunc.request_lafunc import read_request
from lafunc.scaffolding_lafunc import Scaffold

THOUGHT = "<think>\n\n</think>\n"


def adapted_pair(family: str, **config) -> Pair:
    """A tiny model with adapters that change what it reads."""
    pair = make_pair(family, adapter_rank=4, **config)
    torch.manual_seed(3)
    for weight in adapter_weights(pair.model.base):
        torch.nn.init.normal_(weight, std=0.3)
    return pair


@pytest.fixture(scope="module", params=FAMILIES)
def adapting(request) -> Pair:
    """It reads prompts with the adapters on."""
    return adapted_pair(request.param, adapts_prompt=True)


@pytest.fixture(scope="module", params=[False, True])
def thoughtful(request) -> Pair:
    """Its answers begin with an empty thought."""
    return adapted_pair("smollm3", adapts_prompt=request.param)


def questions(*texts: str) -> list[list[dict]]:
    return [[{"role": "user", "content": text}] for text in texts]


@pytest.mark.parametrize("filler", ["autoregressive", "diffusion", "verified"])
def test_an_empty_thought_is_read_once(thoughtful, filler, monkeypatch):
    """After the prompt, before any plan; no text begins with it."""
    read: list[list[list[int]]] = []
    through = Reader.read

    def noted(reader, rows, left=False):
        read.append([list(row) for row in rows])
        return through(reader, rows, left)

    monkeypatch.setattr(Reader, "read", noted)
    output = thoughtful.call(HELLO, TOOLS, filler=filler)
    prompt, thought = thoughtful.processor.prompt(HELLO, TOOLS), thoughtful.processor.vocabulary.encode(THOUGHT)
    assert read[:2] == [[prompt], [list(thought)]]
    assert not any(row[: len(thought)] == list(thought) for rows in read[2:] for row in rows)
    assert output.scaffold.startswith("<tool_call>")


def test_prompts_are_read_as_the_config_says(adapting):
    """By the router and in tool mode with the adapters; as the bare base does it by chat."""
    prompt = adapting.processor.prompt(HELLO, TOOLS)
    bare, other = (Reader(adapting.model.base, [prompt], Stats(), adapts_prompt=on).prompt for on in (False, True))
    assert not torch.equal(bare, other)
    base = adapting.model.base
    assert torch.equal(bare, base.get_decoder()(torch.tensor([prompt])).last_hidden_state)


def test_it_changes_how_calls_are_made_and_leaves_chat_alone(adapting, monkeypatch):
    """How sure the fillers are, if not what they write."""
    chat = adapting.call(HELLO, TOOLS, mode="chat", max_new_tokens=8)
    found = {}
    for on in (True, False):
        monkeypatch.setattr(adapting.model.config, "adapts_prompt", on)
        outputs = [adapting.call(question, TOOLS) for question in questions("hello", "lamp", "Oslo")]
        found[on] = [[call.confidence for call in output.tool_calls] for output in outputs]
        assert adapting.call(HELLO, TOOLS, mode="chat", max_new_tokens=8).text == chat.text
    assert any(found[True]) and found[True] != found[False]


@pytest.mark.parametrize("filler", ["autoregressive", "diffusion", "verified"])
def test_a_batch_equals_its_rows(adapting, filler):
    asked = questions("hello", "weather in Oslo, please?", "x")
    together = adapting.call(asked, [WEATHER], filler=filler)
    assert [facts(out) for out in together] == [facts(adapting.call(q, [WEATHER], filler=filler)) for q in asked]


def test_verified_equals_autoregressive(adapting):
    for text in ("hello", "weather in Oslo, please?"):
        assert facts(adapting.call(text, TOOLS, filler="verified")) == facts(
            adapting.call(text, TOOLS, filler="autoregressive")
        )


def test_the_adapters_learn_from_a_thought_as_if_each_text_began_with_it(thoughtful):
    """It is read once for all texts, and its gradient is the sum of theirs; so it is with an adapted prompt."""
    base, processor, adapts = thoughtful.model.base, thoughtful.processor, thoughtful.model.config.adapts_prompt
    offered = processor.compile_tools([WEATHER])
    written = texts(Scaffold(offered, processor.vocabulary), [{"location": "Oslo"}], offered)
    prompt = processor.prompt(HELLO, [WEATHER])
    preface = processor.opening(prompt)
    weights = adapter_weights(base)
    for weight in weights:
        weight.requires_grad_(True)

    def after_prompt() -> Reader:
        with torch.set_grad_enabled(adapts):
            return Reader(base, [prompt], Stats(), adapts_prompt=adapts)

    def loss(reader: Reader, text: Written) -> torch.Tensor:
        read = read_aside(reader, [[text.tokens]], thoughtful.model.router.source(base))
        parts = writing_loss([read.last[0, read.places[0][0]]], [text], base.get_output_embeddings())
        return torch.stack([total for total, _ in parts.values()]).sum()

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


@pytest.mark.parametrize("adapts", [False, True])
def test_what_the_router_says_of_a_prompt_trains_adapters_that_read_it(adapts):
    model = adapted_pair("llama", adapts_prompt=adapts).model
    weights = adapter_weights(model.base)
    for weight in weights:
        weight.requires_grad_(True)
    found = model(
        prompts=[[5, 6, 7], [8]], prefaces=[[], []], modes=torch.tensor([0, 1]), targets=[None] * 2, samples=1
    )
    gradients = torch.autograd.grad(found["modes"][0], weights, allow_unused=True)
    assert any(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients) == adapts


def test_what_prompts_begin_with_is_read_in_the_same_way(adapting):
    row = Row("a", "irrelevance", [{"role": "user", "content": "for 3 days?"}], [WEATHER["function"]], [], [])
    chosen = systems(["autoregressive"], [1], ["confidence"])
    model, processor = adapting.model, adapting.processor
    ((_, alone),) = answers(model, processor, row, chosen)
    ((_, shared),) = answers(model, processor, row, chosen, beginnings=Beginnings(model, processor))
    assert shared.error is None and shared.calls == alone.calls
    beginning = Beginnings(model, processor).of(
        read_request(row.messages, row.tools, processor, model.config, "tool", None, "autoregressive"), row
    )[0]
    assert beginning is not None
    start = [processor.prompt(row.messages, row.tools)[: beginning.lengths[0]]]
    assert torch.equal(beginning.prompt, Reader(model.base, start, Stats(), adapts_prompt=True).prompt)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_padding_changes_neither_states_nor_gradients_of_prompts(attention):
    """Prompts of several lengths, read together and one by one."""
    base = adapted_pair("llama", adapts_prompt=True).model.base
    base.set_attn_implementation(attention)
    weights = adapter_weights(base)
    for weight in weights:
        weight.requires_grad_(True)
    prompts = [[5, 6, 7, 8, 9], [6, 8], [7]]
    reader = Reader(base, prompts, Stats(), adapts_prompt=True)
    ends = reader.read([[3], [4, 5], [6]])
    alone = [Reader(base, [prompt], Stats(), adapts_prompt=True) for prompt in prompts]
    each = [one.read([row])[0, -1] for one, row in zip(alone, ([3], [4, 5], [6]), strict=True)]
    together = torch.stack([ends[0, 0], ends[1, 1], ends[2, 0]])
    torch.testing.assert_close(together, torch.stack(each), rtol=1e-4, atol=1e-4)
    ours = torch.autograd.grad(together.square().sum(), weights)
    theirs = torch.autograd.grad(torch.stack(each).square().sum(), weights)
    for one, other in zip(ours, theirs, strict=True):
        assert one.isfinite().all()
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def test_no_thought_is_read_where_nothing_can_be_called(thoughtful, monkeypatch):
    read = []
    through = Reader.read
    monkeypatch.setattr(
        Reader, "read", lambda reader, rows, left=False: read.append(rows) or through(reader, rows, left)
    )
    assert thoughtful.call(HELLO, TOOLS, mode="auto", tool_choice="none", max_new_tokens=2).mode != "tool"
    assert len(read) == 1  # the prompt, for the router


def test_what_the_router_chooses_and_what_the_batch_chooses_agree(adapting):
    """Rows with and without tools, in one batch whose modes the router decides."""
    asked, offered = questions("hello", "weather in Oslo, please?", "x"), [TOOLS, None, [WEATHER]]
    options = {"mode": "auto", "max_new_tokens": 4, "do_sample": False}
    together = adapting.call(asked, offered, **options)
    for question, tools, out in zip(asked, offered, together, strict=True):
        assert facts(adapting.call(question, tools, **options)) == facts(out)
