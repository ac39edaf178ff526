"""LaFuNC with what people use beside it; docs/interop.md names what each test shows."""

import json
import threading

import pytest
import torch
from conftest import FAMILIES, HELLO, LAMP, TOOLS, WEATHER, Pair, facts, make_pair
from peft import LoraConfig, get_peft_model
from transformers import TextIteratorStreamer, pipeline

from lafunc import LaFuncModel, LaFuncProcessor

CHAT = {"max_new_tokens": 8, "do_sample": False}


@pytest.fixture(scope="module")
def saved(pair, tmp_path_factory) -> dict[str, str]:
    """The same model as heads over a base in a folder, and whole."""
    place = tmp_path_factory.mktemp("saved")
    pair.model.base.save_pretrained(place / "base")
    pair.model.save_pretrained(place / "whole", include_base=True)
    before, pair.model.config.base = pair.model.config.base, str(place / "base")
    pair.model.save_pretrained(place / "heads")
    pair.model.config.base = before
    return {name: str(place / name) for name in ("whole", "heads")}


def answer(pair: Pair, filler: str = "diffusion") -> tuple:
    return facts(pair.call(HELLO, TOOLS, filler=filler))


# ------------------------------------------------------------------------------------------------------------- loading


@pytest.mark.parametrize("kind", ["whole", "heads"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"device_map": "auto"},
        {"device_map": "cpu"},
        {"device_map": {"": "cpu"}},
        {"low_cpu_mem_usage": True},
        {"low_cpu_mem_usage": False},
        {"attn_implementation": "eager"},
        {"dtype": "auto"},
        {"use_safetensors": True},
    ],
    ids=str,
)
def test_ways_of_loading_give_the_same_model(pair, saved, kind, arguments):
    loaded = LaFuncModel.from_pretrained(saved[kind], **arguments).eval()
    assert answer(Pair(loaded, pair.processor)) == answer(pair)


@pytest.mark.parametrize("kind", ["whole", "heads"])
@pytest.mark.parametrize("name", ["dtype", "torch_dtype"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, "bfloat16"], ids=str)
def test_the_dtype_that_is_asked_for_is_that_of_head_and_base(saved, kind, name, dtype):
    loaded = LaFuncModel.from_pretrained(saved[kind], **{name: dtype})
    for part, found in (("head", torch.bfloat16), ("base", torch.bfloat16), ("router", torch.float32)):
        assert {weight.dtype for weight in getattr(loaded, part).parameters()} == {found}


# ------------------------------------------------------------------------------------------------------------- writing


def test_generate_is_the_base_s(pair):
    asked = pair.processor.apply_chat_template(
        HELLO, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    assert torch.equal(pair.model.generate(**asked, **CHAT), pair.model.base.generate(**asked, **CHAT))


def test_chat_is_streamed(pair):
    streamer = TextIteratorStreamer(pair.processor.tokenizer, skip_prompt=True, skip_special_tokens=True)
    asked = {"processor": pair.processor, "mode": "chat", **CHAT}
    thread = threading.Thread(
        target=pair.model.generate_tool_call, args=(HELLO,), kwargs={**asked, "streamer": streamer}
    )
    thread.start()
    streamed = list(streamer)
    thread.join()
    assert len(streamed) > 1 and "".join(streamed) == pair.model.generate_tool_call(HELLO, **asked).text


def test_a_pipeline_takes_the_base(pair):
    """And not the whole: a pipeline returns text, and knows neither modes nor scaffolds."""
    write = pipeline("text-generation", model=pair.model.base, tokenizer=pair.processor.tokenizer)
    (found,) = write(HELLO, **CHAT)
    said = found["generated_text"][-1]
    assert said["role"] == "assistant"
    assert said["content"] == pair.model.generate_tool_call(HELLO, processor=pair.processor, mode="chat", **CHAT).text


# ----------------------------------------------------------------------------------------------------------- templates


def test_the_chat_template_takes_tools(any_pair):
    processor = any_pair.processor
    asked = {"tools": [WEATHER], "add_generation_prompt": True}
    text = processor.apply_chat_template(HELLO, **asked)
    assert '"name": "get_weather"' in text and "hello" in text
    ids = processor.apply_chat_template(HELLO, tokenize=True, return_dict=True, **asked)["input_ids"]
    tokens = ids[0] if isinstance(ids[0], list) else ids
    assert processor.tokenizer.decode(tokens) == text and tokens == processor.prompt(HELLO, [WEATHER])


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_are_parsed(family, tmp_path):
    """What the template writes for calls comes back as the calls, from the loaded processor, too."""
    pair = make_pair(family)
    pair.processor.save_pretrained(tmp_path)
    processor = LaFuncProcessor.from_pretrained(tmp_path)
    calls = [
        {"type": "function", "function": {"name": "get_weather", "arguments": {"location": "Zürich", "days": 3}}},
        {"type": "function", "function": {"name": "get_weather", "arguments": {"location": '</a> "b"', "days": 1}}},
    ]
    message = {"role": "assistant", "content": "", "tool_calls": calls}
    prefix = processor.apply_chat_template(HELLO, tools=[WEATHER], add_generation_prompt=True)
    whole = processor.apply_chat_template([*HELLO, message], tools=[WEATHER])
    start = processor.apply_chat_template(HELLO, tools=[WEATHER])
    assert whole.startswith(start)
    written = whole[whole.index("<tool_call>", len(start)) :]
    parsed = processor.parse_response(written, prefix=prefix, tools=[WEATHER])
    assert parsed["role"] == "assistant" and parsed["tool_calls"] == calls
    assert processor.parse_response("Hello you", prefix=prefix)["content"] == "Hello you"


def test_what_tool_mode_returns_is_what_parsing_would(pair):
    message = pair.call(HELLO, TOOLS).to_message()
    text = "\n".join(f"<tool_call>\n{json.dumps(call['function'])}\n</tool_call>" for call in message["tool_calls"])
    assert pair.processor.parse_response(text, prefix="")["tool_calls"] == message["tool_calls"]


# ------------------------------------------------------------------------------------------------- PEFT, torch.compile


def test_peft_wraps_the_model():
    pair = make_pair("llama")
    before = answer(pair)
    wrapped = get_peft_model(pair.model, LoraConfig(r=2, target_modules=["q_proj"]))
    trained = {name for name, weight in wrapped.named_parameters() if weight.requires_grad}
    assert trained and all("lora_" in name and ".base." in name for name in trained)
    out = wrapped.generate_tool_call(HELLO, TOOLS, processor=pair.processor, mode="tool", filler="diffusion")
    assert facts(out) == before  # new adapters change nothing
    assert wrapped(torch.tensor([[1, 2]])).logits.shape[:2] == (1, 2)


def test_the_head_can_be_compiled():
    pair = make_pair("llama")
    before, names = answer(pair), pair.model.state_dict().keys()
    pair.model.head.compile(backend="aot_eager")  # the default backend needs a C++ compiler
    assert answer(pair) == before and pair.model.state_dict().keys() == names


def test_a_call_goes_through_a_chat_loop(pair):
    """The model's message and the program's go back into the conversation as they are."""
    message = pair.call(HELLO, [LAMP]).to_message()
    result = {"role": "tool", "content": '{"ok": true}'}
    out = pair.call([*HELLO, message, result], [LAMP], mode="chat", **CHAT)
    assert isinstance(out.text, str) and not out.tool_calls
