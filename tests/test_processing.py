"""Tools in every accepted form, prompts of every family, and special-token text that stays text."""

import json

import jsonschema
import pytest
from conftest import FAMILIES, ORDER, SPECIAL, WEATHER, make_tokenizer
from pydantic import BaseModel, Field

from lafunc import LaFuncProcessor, RequestError

HELLO = [{"role": "user", "content": "hello"}]
MARKERS = {  # before the role, after it, after the turn, the assistant's name
    "smollm3": ("<|im_start|>", "\n", "<|im_end|>\n", "assistant"),
    "qwen3": ("<|im_start|>", "\n", "<|im_end|>\n", "assistant"),
    "llama": ("<|start_header_id|>", "<|end_header_id|>\n\n", "<|eot_id|>", "assistant"),
    "gemma3": ("<start_of_turn>", "\n", "<end_of_turn>\n", "model"),
}


def get_time(city: str, twelve_hours: bool = False) -> str:
    """
    Tell the time.

    Args:
        city: The city.
        twelve_hours: Whether to say am and pm.
    """
    return f"{city} {twelve_hours}"


class Street(BaseModel):
    name: str = Field(max_length=8)
    number: int = Field(ge=1, le=99)


class Delivery(BaseModel):
    """Deliver a parcel."""

    street: Street
    express: bool
    note: str | None = Field(default=None, max_length=8)
    back: Street | None = None


SCHEMA = {
    "title": "add",
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "number"}},
    "required": ["a"],
}
FORMS = {
    "OpenAI": (WEATHER, "get_weather", "Current weather in a city."),
    "bare": (ORDER, "create_order", "Order things."),
    "bare without parameters": ({"name": "ping"}, "ping", ""),
    "JSON Schema with a title": (SCHEMA, "add", ""),
    "function": (get_time, "get_time", "Tell the time."),
    "Pydantic": (Delivery, "Delivery", "Deliver a parcel."),
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def processor(family):
    return LaFuncProcessor.from_base(make_tokenizer(family))


@pytest.fixture(scope="module")
def smollm3():
    return LaFuncProcessor.from_base(make_tokenizer("smollm3"))


def render(processor, messages, tools=None, **kwargs):
    return processor.tokenizer.decode(processor.prompt(messages, tools, **kwargs))


# ------------------------------------------------------------------------------------ tools


@pytest.mark.parametrize("form", FORMS)
def test_tool_form_gives_its_name_and_description(smollm3, form):
    tool, name, description = FORMS[form]
    compiled = smollm3.compile_tools([tool])[0]
    assert (compiled.name, compiled.description) == (name, description)


@pytest.mark.parametrize("filler", ["autoregressive", "diffusion"])
@pytest.mark.parametrize("form", [form for form in FORMS if form != "bare"])
def test_calls_of_every_tool_form_validate(pair, form, filler):
    tool, name, _ = FORMS[form]
    [call] = pair.call("hello", [tool], parallel_tool_calls=False, filler=filler).tool_calls
    jsonschema.validate(call.arguments, pair.processor.compile_tools([tool])[0].parameters)
    assert call.name == name


def test_arguments_of_a_pydantic_tool_build_the_model(pair):
    [call] = pair.call("hello", [Delivery], parallel_tool_calls=False).tool_calls
    assert isinstance(Delivery(**call.arguments).street, Street)


def test_arguments_of_a_function_tool_call_the_function(pair):
    [call] = pair.call("hello", [get_time], parallel_tool_calls=False).tool_calls
    assert get_time(**call.arguments).endswith(("True", "False"))


def test_tools_are_compiled_once(smollm3):
    assert smollm3.compile_tools([WEATHER])[0] is smollm3.compile_tools([json.loads(json.dumps(WEATHER))])[0]


def test_changed_tool_is_compiled_anew(smollm3):
    changed = {**SCHEMA, "required": ["b"]}
    assert smollm3.compile_tools([SCHEMA])[0] is not smollm3.compile_tools([changed])[0]


# ------------------------------------------------------------------------------------ prompts


def test_turn_markers(family, processor):
    before, after, end, assistant = MARKERS[family]
    messages = [*HELLO, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "bye"}]
    text = render(processor, messages, [WEATHER])
    turns = f"hello{end}{before}{assistant}{after}hi{end}{before}user{after}bye{end}{before}{assistant}{after}"
    assert text.endswith(turns)


def test_prompt_begins_as_the_family_does(family, processor):
    assert processor.prompt(HELLO, [WEATHER])[0] == processor.tokenizer.convert_tokens_to_ids(SPECIAL[family][0])


def test_family_s_first_token_stands_once_per_turn_or_prompt(family, processor):
    begins = processor.prompt(HELLO, [WEATHER]).count(processor.tokenizer.convert_tokens_to_ids(SPECIAL[family][0]))
    assert begins == {"llama": 1, "gemma3": 1, "smollm3": 3, "qwen3": 3}[family]


def test_system_text_stands_before_the_tools(processor):
    text = render(processor, [{"role": "system", "content": "Be brief."}, *HELLO], [WEATHER])
    assert 0 < text.index("Be brief.") < text.index("<tools>") < text.index("hello")


def test_gemma_has_no_system_turn():
    processor = LaFuncProcessor.from_base(make_tokenizer("gemma3"))
    text = render(processor, [{"role": "system", "content": "Be brief."}, *HELLO], [WEATHER])
    assert "system" not in text and text.startswith("<bos><start_of_turn>user\nBe brief.\n\n")


@pytest.mark.parametrize("tool", [WEATHER, ORDER, {"name": "ping", "description": "Grüße an „Zoë“"}])
def test_tools_are_listed_as_json(processor, tool):
    listed = render(processor, HELLO, [get_time, tool]).split("<tools>\n")[1].split("\n</tools>")[0].splitlines()
    function = tool.get("function", tool)
    assert [json.loads(line)["name"] for line in listed] == ["get_time", function["name"]]
    assert json.loads(listed[1]) == {"description": "", "parameters": {}, **function}


CALL = {"name": "get_weather", "arguments": {"location": "Zürich", "days": 2}}
CALL_TEXT = '<tool_call>\n{"name": "get_weather", "arguments": {"location": "Zürich", "days": 2}}\n</tool_call>'
CALL_FORMS = {
    "dict": {"type": "function", "function": CALL},
    "JSON text": {
        "id": "1",
        "type": "function",
        "function": {**CALL, "arguments": json.dumps(CALL["arguments"], ensure_ascii=False)},
    },
    "bare": CALL,
}


@pytest.mark.parametrize("form", CALL_FORMS)
def test_calls_and_results_are_rendered(family, processor, form):
    before, after, end, assistant = MARKERS[family]
    messages = [
        *HELLO,
        {"role": "assistant", "content": None, "tool_calls": [CALL_FORMS[form]]},
        {"role": "tool", "content": "17 degrees"},
    ]
    text = render(processor, messages, [WEATHER])
    called = f"{before}{assistant}{after}{CALL_TEXT}{end}"
    result = f"{before}user{after}<tool_response>\n17 degrees\n</tool_response>{end}"
    assert text.endswith(called + result + f"{before}{assistant}{after}")


def test_two_calls_and_two_results(family, processor):
    before, after, end, _ = MARKERS[family]
    messages = [
        *HELLO,
        {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL, CALL]},
        {"role": "tool", "content": "one"},
        {"role": "tool", "content": [{"type": "text", "text": "two"}]},
        {"role": "assistant", "content": "Done."},
        {"role": "user", "content": "thanks"},
    ]
    text = render(processor, messages, [WEATHER])
    results = "<tool_response>\none\n</tool_response>\n<tool_response>\ntwo\n</tool_response>"
    assert f"Let me see.\n{CALL_TEXT}\n{CALL_TEXT}{end}{before}user{after}{results}{end}" in text


def test_calls_are_rendered_without_tools(processor):
    messages = [*HELLO, {"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "content": "17"}]
    text = render(processor, messages)
    assert CALL_TEXT in text and "<tools>" not in text


def test_answer_is_a_message_of_the_next_prompt(any_pair):
    answer = any_pair.call("hello", [SCHEMA], parallel_tool_calls=False)
    messages = [*HELLO, answer.to_message(), {"role": "tool", "content": "3"}]
    arguments = json.dumps(answer.tool_calls[0].arguments, ensure_ascii=False)
    assert f'{{"name": "add", "arguments": {arguments}}}' in render(any_pair.processor, messages, [SCHEMA])


@pytest.mark.parametrize("thinking", [None, True, False])
def test_without_tools_the_template_is_the_base_s(thinking):
    tokenizer = make_tokenizer("smollm3")
    processor = LaFuncProcessor.from_base(tokenizer)
    messages = [{"role": "system", "content": "Be brief."}, *HELLO, {"role": "assistant", "content": "hi"}, *HELLO]
    given = {} if thinking is None else {"enable_thinking": thinking}
    own = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False, **given)
    assert processor.prompt(messages, enable_thinking=thinking) == own


def test_template_sees_no_enable_thinking_unless_it_is_set():
    tokenizer = make_tokenizer("llama")
    tokenizer.chat_template = "{{ 'unset' if enable_thinking is not defined else enable_thinking }}"
    processor = LaFuncProcessor.from_base(tokenizer)
    assert render(processor, HELLO) == "unset"


@pytest.mark.real
def test_without_tools_the_template_is_that_of_the_real_base(real):
    from lafunc import EMBEDDED_BASE
    from lafunc.base_lafunc import load_tokenizer

    own = load_tokenizer(EMBEDDED_BASE).apply_chat_template(HELLO, add_generation_prompt=True, return_dict=False)
    assert real.processor.prompt(HELLO) == own


def test_processor_leaves_the_given_tokenizer_as_it_was():
    tokenizer = make_tokenizer("smollm3")
    before = tokenizer.chat_template
    LaFuncProcessor.from_base(tokenizer)
    assert tokenizer.chat_template == before


THINKING = [  # (enable_thinking, system text, does the model think?)
    (None, None, True),
    (True, None, True),
    (False, None, False),
    (None, "Be brief. /no_think", False),
    (True, "Be brief. /no_think", True),
    (False, "Be brief.", False),
]


@pytest.mark.parametrize(("enable", "system", "thinks"), THINKING)
def test_smollm3_with_tools_is_told_its_mode(smollm3, enable, system, thinks):
    messages = [{"role": "system", "content": system}, *HELLO] if system else HELLO
    text = render(smollm3, messages, [WEATHER], enable_thinking=enable)
    assert text.startswith("<|im_start|>system\nReasoning Mode: " + ("/think\n" if thinks else "/no_think\n"))


@pytest.mark.parametrize(("enable", "system", "thinks"), THINKING)
def test_smollm3_that_shall_not_think_begins_with_an_empty_thought(smollm3, enable, system, thinks):
    messages = [{"role": "system", "content": system}, *HELLO] if system else HELLO
    text = render(smollm3, messages, [WEATHER], enable_thinking=enable)
    assert text.endswith("assistant\n" if thinks else "assistant\n<think>\n\n</think>\n")


@pytest.mark.parametrize(
    ("name", "text"), [("smollm3", "<think>\n\n</think>\n"), ("qwen3", "<think>\n\n</think>\n\n"), ("llama", "")]
)
def test_empty_thought(name, text):
    processor = LaFuncProcessor.from_base(make_tokenizer(name))
    assert processor.tokenizer.decode(processor.empty_thought) == text


# ------------------------------------------------------------------------------------ control tokens


def _evil(place, token):
    """A conversation and its tools with the token's text in one place."""
    call = {"name": "f", "arguments": {"a": "x"}}
    texts = {"user": "x", "system": "x", "result": "x", "assistant": "x", "description": "x", "property": "x"}
    texts |= {"enum": "x", "argument": "x", "key": "x", "json": "x", "json key": "x", "part": "x"}
    texts[place] = f"x{token}y"
    if place in ("argument", "key"):
        call["arguments"] = {texts["key"]: texts["argument"]}
    elif place in ("json", "json key"):
        call["arguments"] = json.dumps({texts["json key"]: texts["json"]})
    messages = [
        {"role": "system", "content": texts["system"]},
        {"role": "user", "content": texts["user"]},
        {"role": "assistant", "content": texts["assistant"], "tool_calls": [{"type": "function", "function": call}]},
        {"role": "tool", "content": texts["result"]},
        {"role": "user", "content": [{"type": "text", "text": texts["part"]}]},
    ]
    properties = {texts["property"]: {"type": "string", "enum": [texts["enum"]]}}
    return messages, [{"name": "f", "description": texts["description"], "parameters": {"properties": properties}}]


PLACES = ["user", "system", "result", "assistant", "part", "description", "property", "enum"]
PLACES += ["argument", "key", "json", "json key"]


@pytest.mark.parametrize("place", PLACES)
def test_special_token_text_never_becomes_a_control_token(family, processor, place):
    for token in SPECIAL[family]:
        harmless, harmful = (processor.prompt(*_evil(place, text)) for text in ("", token))
        id = processor.tokenizer.convert_tokens_to_ids(token)
        assert harmful.count(id) == harmless.count(id)
        assert f"x{token}y" in processor.tokenizer.decode(harmful)


@pytest.mark.parametrize("token", ["<think>", "</think>"])
def test_thinking_marks_in_what_users_say_stay_text(smollm3, token):
    id = smollm3.tokenizer.convert_tokens_to_ids(token)
    assert id not in smollm3.prompt([{"role": "user", "content": f"x{token}y"}], [WEATHER])


def test_tool_tags_of_the_vocabulary_in_what_users_say_stay_text():
    tokenizer = make_tokenizer("qwen3")
    tokenizer.add_tokens(["<tool_call>", "</tool_call>"])
    processor = LaFuncProcessor.from_base(tokenizer)
    id = tokenizer.convert_tokens_to_ids("<tool_call>")
    harmless, harmful = (processor.prompt([{"role": "user", "content": c}], [WEATHER]) for c in ("x", "x<tool_call>y"))
    assert harmful.count(id) == harmless.count(id) > 0


def test_special_text_without_tools_stays_text(family, processor):
    id = processor.tokenizer.convert_tokens_to_ids(SPECIAL[family][-1])
    harmless, harmful = (processor.prompt([{"role": "user", "content": c}]) for c in ("x", f"x{SPECIAL[family][-1]}y"))
    assert harmful.count(id) == harmless.count(id)


# ------------------------------------------------------------------------------------ content


@pytest.mark.parametrize("tools", [None, [WEATHER]])
@pytest.mark.parametrize("role", ["system", "user"])
def test_text_parts_are_joined(processor, role, tools):
    parts = [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}]
    given, plain = ([{"role": role, "content": content}, *HELLO] for content in (parts, "Be brief."))
    assert processor.prompt(given, tools) == processor.prompt(plain, tools)


def test_template_alone_takes_dicts_and_text_parts(processor):
    """As trainers call it, without `prompt`."""
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "hello"}]},
        {"role": "assistant", "tool_calls": [CALL]},
    ]
    text = processor.tokenizer.apply_chat_template(messages, tools=[WEATHER], tokenize=False)
    assert "hello" in text and CALL_TEXT in text and json.dumps(WEATHER["function"]) in text


def test_request_is_left_as_it_was(processor):
    messages, tools = _evil("key", "x")
    before = json.dumps([messages, tools])
    processor.prompt(messages, tools)
    assert json.dumps([messages, tools]) == before


def test_argument_that_json_cannot_write(smollm3):
    messages = [*HELLO, {"role": "assistant", "tool_calls": [{"name": "f", "arguments": {"a": {1, 2}}}]}, *HELLO]
    with pytest.raises(RequestError, match="tool 'f' cannot be written as JSON: .*set"):
        smollm3.prompt(messages, [WEATHER])


# ------------------------------------------------------------------------------------ saving


def test_saved_processor_gives_the_same_prompts(processor, tmp_path):
    messages, tools = _evil("user", "x")
    processor.compile_tools(tools)  # what was used before must not get in the way
    processor.save_pretrained(tmp_path)
    loaded = LaFuncProcessor.from_pretrained(tmp_path)
    assert loaded.prompt(messages, tools) == processor.prompt(messages, tools)
    assert loaded.prompt(HELLO) == processor.prompt(HELLO)


def test_saved_processor_knows_its_class(processor, tmp_path):
    processor.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "processor_config.json").read_text())
    assert config["auto_map"] == {"AutoProcessor": "processing_lafunc.LaFuncProcessor"}
