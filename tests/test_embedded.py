"""The embedded SmolLM2-135M, through LaFuNC and alone."""

import json
from pathlib import Path

import pytest
import torch
from conftest import facts

from lafunc import EMBEDDED_BASE
from lafunc.base_lafunc import load_base

TOOLS_FILE = Path(__file__).parent.parent / "examples" / "tools.json"
EXAMPLES = {tool["function"]["name"]: tool for tool in json.loads(TOOLS_FILE.read_text())}


@pytest.fixture(scope="module")
def bare():
    """The embedded base, loaded alone."""
    return load_base(EMBEDDED_BASE, dtype=torch.float32).eval()


@pytest.mark.real
def test_real_logits_and_weights_are_the_base_s_before_and_after_calls(real, bare):
    ids = torch.tensor([real.processor.prompt([{"role": "user", "content": "Who wrote Faust?"}])])
    with torch.no_grad():
        expected = bare(ids).logits
        before = real.model(ids).logits
        real.call("What's the weather in Tokyo in celsius?", [EXAMPLES["get_weather"]], filler="verified")
        after = real.model(ids).logits
    assert torch.equal(before, expected) and torch.equal(after, expected)
    weights, found = bare.state_dict(), real.model.base.state_dict()
    assert weights.keys() == found.keys() and all(torch.equal(weights[name], found[name]) for name in weights)


@pytest.mark.real
def test_real_greedy_text_is_the_base_s(real, bare):
    messages = [{"role": "user", "content": "Name three rivers of France."}]
    ids = torch.tensor([real.processor.prompt(messages)])
    options = {"max_new_tokens": 16, "do_sample": False}
    written = bare.generate(ids, attention_mask=torch.ones_like(ids), **options)
    assert torch.equal(real.model.generate(ids, attention_mask=torch.ones_like(ids), **options), written)
    text = real.processor.tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True)
    assert real.call(messages, None, mode="chat", **options).text == text != ""


@pytest.mark.real
def test_real_base_calls_get_weather(real):
    output = real.call("What's the weather in Tokyo in celsius?", [EXAMPLES["get_weather"]], parallel_tool_calls=False)
    assert [(c.name, c.arguments) for c in output.tool_calls] == [
        ("get_weather", {"location": "Tokyo", "unit": "celsius"})
    ]


@pytest.mark.real
def test_real_verified_equals_autoregressive(real):
    """Each request with one tool, so that the prompts stay short."""
    asked = {
        "get_weather": "What's the weather in Tokyo in celsius?",
        "set_alarm": "Wake me at 6:45 every day, it's for the gym.",
        "create_order": "Order two bags of coffee beans to 5 Main Street, Springfield.",
    }
    conversations = [[{"role": "user", "content": text}] for text in asked.values()]
    pairs = [[EXAMPLES[name]] for name in asked]
    verified, written = (
        real.call(conversations, pairs, filler=filler, parallel_tool_calls=False)
        for filler in ("verified", "autoregressive")
    )
    assert [facts(output) for output in verified] == [facts(output) for output in written]
    assert all(output.tool_calls for output in written)
