"""Where things end: the context, the base's kind, what a config may hold, and what outlives a processor."""

import gc
import json
import tracemalloc
import weakref

import pytest
import torch
from conftest import ORDER, WEATHER, Pair, examples, make_base, make_pair, make_tokenizer
from transformers import GPT2Config, GPT2LMHeadModel, MambaConfig, MambaForCausalLM, MistralConfig, MistralForCausalLM

from lafunc import (
    CheckpointError,
    LaFuncModel,
    LaFuncProcessor,
    Need,
    RequestError,
    ToolCall,
    ToolCallOutput,
    modeling_lafunc,
)
from lafunc.calling_lafunc import Calls
from lafunc.compiling_lafunc import compile_tool
from lafunc.configuration_lafunc import LaFuncConfig
from lafunc.denoising_lafunc import Canvas
from lafunc.node_lafunc import json_path
from lafunc.output_lafunc import Evidence, assemble
from lafunc.request_lafunc import FILLERS
from lafunc.scaffolding_lafunc import Scaffold
from lafunc.vocabulary_lafunc import Vocabulary

HELLO = [{"role": "user", "content": "Hello"}]
TRAINED = {"trained": ["router", "diffusion"], "head_hidden_size": 32, "head_layers": 1, "max_slot_tokens": 12}


def pair_of(base_of, **config) -> Pair:
    """A pair over a base that is made for a vocabulary size."""
    processor = LaFuncProcessor.from_base(make_tokenizer("llama"))
    torch.manual_seed(0)
    model = LaFuncModel.from_base(base_of(len(processor.tokenizer)).eval(), **TRAINED, **config)
    return Pair(model.eval(), processor)


def mistral(vocab_size: int) -> MistralForCausalLM:
    """A base whose sliding window its config does not list by layer."""
    return MistralForCausalLM(
        MistralConfig(
            vocab_size=vocab_size,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            sliding_window=48,
            initializer_range=0.3,
        )
    )


def gpt2(vocab_size: int, positions: int = 1024) -> GPT2LMHeadModel:
    """A base with learned positions: reading beyond them is an error of its own."""
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=vocab_size,
            n_positions=positions,
            n_embd=32,
            n_layer=2,
            n_head=4,
            initializer_range=0.3,
            bos_token_id=1,
            eos_token_id=2,
        )
    )


@pytest.mark.parametrize("filler", FILLERS)
def test_a_batch_equals_its_rows_under_a_sliding_window_that_the_config_hides(filler):
    pair = pair_of(mistral)
    long = [{"role": "user", "content": "What's the weather in Paris in fahrenheit? " * 6}]
    together = pair.call([long, HELLO], [WEATHER], filler=filler)
    alone = [pair.call(one, [WEATHER], filler=filler) for one in (long, HELLO)]
    assert [output.to_message() for output in together] == [output.to_message() for output in alone]


@pytest.mark.parametrize("filler", FILLERS)
def test_near_the_end_of_the_context_there_is_an_answer_or_a_request_error(filler):
    tools = [{"name": "f", "parameters": {"properties": {"a": {"type": "string"}}}}, {"name": "get_longer_name"}]
    read = len(LaFuncProcessor.from_base(make_tokenizer("llama")).prompt(HELLO, tools))
    answered = []
    for free in (1, 2, 3, 4, 5, 20, 40, 80, 160):
        pair = pair_of(lambda size, free=free: gpt2(size, read + free))
        try:
            output = pair.call(HELLO, tools, filler=filler, parallel_tool_calls=False)
        except RequestError as error:
            assert "tokens and the base" in str(error) or "no room" in str(error)
        else:
            answered.append(free)
            assert output.tool_calls
    assert answered and answered == sorted(answered) and answered[-1] == 160 and answered[0] > 5


def test_left_to_right_absent_members_need_no_room():
    many = {"name": "f", "parameters": {"properties": {f"option_{n}": {"type": "string"} for n in range(40)}}}
    read = len(LaFuncProcessor.from_base(make_tokenizer("llama")).prompt(HELLO, [many]))
    pair = pair_of(lambda size: gpt2(size, read + 400))
    assert pair.call(HELLO, [many], filler="autoregressive").tool_calls
    assert pair.call(HELLO, [many], filler="verified").tool_calls
    with pytest.raises(RequestError, match="the planned calls need .* tokens and the base can read 400 more"):
        pair.call(HELLO, [many], filler="diffusion")


def test_a_processor_is_freed_with_all_that_it_knew(pair):
    processor = LaFuncProcessor.from_base(pair.processor.tokenizer)
    vocabulary = weakref.ref(processor.vocabulary)
    for filler in FILLERS:
        assert Pair(pair.model, processor).call(HELLO, [WEATHER, ORDER], filler=filler).tool_calls
    del processor
    gc.collect()
    assert vocabulary() is None


def test_memory_does_not_grow_from_call_to_call(pair):
    """`make fuzz` makes thousands of them."""
    processor = LaFuncProcessor.from_base(pair.processor.tokenizer)
    one = Pair(pair.model, processor)

    def call(n):
        tools = [{**WEATHER["function"], "name": f"get_{n % 7}"}, ORDER]
        asked = f"Weather in {'Tokyo' * (n % 5)}?"
        one.call(asked, tools, filler=FILLERS[n % len(FILLERS)], tool_choice=f"get_{n % 7}", return_trace=True)

    for n in range(7 * 5 * len(FILLERS)):  # whatever is remembered of these tools is known then
        call(n)
    tracemalloc.start()
    call(0)
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    for n in range(int(examples(40)["max_examples"])):
        call(n)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 200_000


def test_what_is_no_field_of_the_config_does_not_get_into_it(pair):
    with pytest.raises(TypeError, match="'token' is not a field of LaFuncConfig.*base_kwargs"):
        LaFuncModel.from_base(pair.model.base, token="secret")


def test_arguments_for_loading_reach_a_base_that_lies_elsewhere(tmp_path):
    make_base("llama", 400).save_pretrained(tmp_path / "base")
    LaFuncModel.from_base(str(tmp_path / "base"), head_hidden_size=32).save_pretrained(tmp_path / "heads")
    model = LaFuncModel.from_pretrained(tmp_path / "heads", attn_implementation="eager")
    assert model.base.config._attn_implementation == "eager"


def test_a_base_without_a_key_value_cache_is_refused():
    base = MambaForCausalLM(MambaConfig(vocab_size=400, hidden_size=32, state_size=4, num_hidden_layers=1))
    with pytest.raises(CheckpointError, match="MambaForCausalLM cannot be a base"):
        LaFuncModel.from_base(base)


def test_a_processor_of_another_checkpoint_is_refused(pair):
    small = LaFuncModel.from_base(make_base("llama", 64), **TRAINED)
    with pytest.raises(RequestError, match="more than the base knows"):
        Pair(small, pair.processor).call(HELLO, [WEATHER])
    with pytest.raises(RequestError, match="processor must be a LaFuncProcessor"):
        pair.model.generate_tool_call(HELLO, [WEATHER], processor=pair.processor.tokenizer, mode="tool")


def test_a_tokenizer_that_cannot_write_json_is_refused():
    tokenizer = make_tokenizer("llama")
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    state["decoder"] = state["pre_tokenizer"] = None  # its tokens now mean what they look like
    broken = type(tokenizer)(tokenizer_object=type(tokenizer.backend_tokenizer).from_str(json.dumps(state)))
    with pytest.raises(ValueError, match="cannot write JSON"):
        Vocabulary(broken)


@pytest.mark.parametrize("messages", [None, {"role": "user", "content": "Hello"}, "Hello"])
def test_messages_that_are_no_list_are_refused(pair, messages):
    with pytest.raises(RequestError, match="messages must be a list"):
        pair.model.generate_tool_call(messages, [WEATHER], processor=pair.processor, mode="tool")


@pytest.mark.parametrize("parameters", [[], "", 0, False])
def test_parameters_that_are_no_schema_are_refused(pair, parameters):
    with pytest.raises(ValueError, match="parameters must be a JSON Schema object"):
        pair.call(HELLO, [{"name": "f", "parameters": parameters}])


def test_half_a_surrogate_pair_is_refused_by_place(pair):
    with pytest.raises(RequestError, match=r"messages\[0\].*not text"):
        pair.call("\ud800", [WEATHER])
    with pytest.raises(RequestError, match="tool 'f' cannot be written as JSON"):
        pair.call(HELLO, [{"name": "f", "description": "\ud800"}])


def test_openai_s_form_of_a_tool_choice(pair):
    choice = {"type": "function", "function": {"name": "create_order"}}
    assert pair.call(HELLO, [WEATHER, ORDER], mode="auto", tool_choice=choice).plan == ["create_order"]
    assert pair.call(HELLO, [WEATHER], tool_choice=None).mode == "tool"
    with pytest.raises(RequestError, match="tool_choice .* is unknown"):
        pair.call(HELLO, [WEATHER], tool_choice={"type": "function"})


def test_an_untrained_head_does_not_forbid_to_chat():
    pair = make_pair("llama", trained=[])
    assert pair.call(HELLO, [WEATHER], mode="chat", filler="diffusion", max_new_tokens=1).mode == "chat"


def test_what_is_missing_is_asked_beside_what_can_be_called():
    output = ToolCallOutput("tool", tool_calls=[ToolCall("f", {"a": 1})], needs=[Need("g", "$.b", "What is the b?")])
    assert output.to_message()["content"] == "What is the b?" and output.to_message()["tool_calls"]
    assert (output.decision, ToolCallOutput("think").decision) == ("<|use_tool|>", "<|answer|>")


def test_odd_names_in_paths_are_quoted():
    assert json_path(("a", 0, "a.b", "", 'q"')) == '$.a[0]["a.b"][""]["q\\""]'


def test_what_was_written_has_a_say_in_what_is_missing():
    """The head is as unsure of all four: what stands in the conversation, or is one of a few members, was given."""
    parameters = {"city": {"type": "string"}, "note": {"type": "string"}, "unit": {"enum": ["C", "F"]}}
    parameters |= {"blank": {"type": "string"}, "kind": {"enum": ["sunshine", "weather"]}}
    parameters |= {"form": {"enum": ["table", "chart"]}, "long": {"type": "boolean"}}
    tool = {"name": "ask", "parameters": {"type": "object", "properties": parameters, "required": [*parameters]}}
    vocabulary = make_pair("llama").processor.vocabulary
    scaffold = Scaffold([compile_tool(tool, vocabulary)], vocabulary)
    values = scaffold.read(
        [{"city": "Oslo", "note": "Rome", "unit": "C", "blank": "", "kind": "sunshine", "form": "table", "long": True}]
    )
    unsure = dict.fromkeys(values, 0.5)
    config = LaFuncConfig(needs_weights=[1.0, 0.0, -2.0, -2.0, 0.0, 0.0], needs_threshold=0.5)
    output = ToolCallOutput("tool")
    assemble(output, scaffold, values, unsure, unsure, config, searched=["The weather in Oslo, not in Romeo"])
    told = {path: (known.stands, known.closed, known.named) for path, known in output.evidence.items()}
    assert told == {
        "$[0].city": (True, False, None),
        "$[0].note": (False, False, None),
        "$[0].unit": (False, True, None),  # single letters name nothing
        "$[0].blank": (False, False, None),
        "$[0].kind": (False, True, True),  # another one of its values stands there
        "$[0].form": (False, True, False),
        "$[0].long": (False, True, False),
    }
    assert [need.path for need in output.needs] == ["$.note", "$.blank"] and not output.tool_calls


def test_a_default_is_taken_for_what_is_missing_if_the_schema_allows_it():
    parameters = {
        "city": {"type": "string"},
        "days": {"type": "integer", "default": 3},
        "size": {"type": "integer", "default": "large"},
        "place": {
            "type": "object",
            "properties": {"zone": {"enum": ["a", "b"], "default": "b"}},
            "required": ["zone"],
        },
    }
    vocabulary = make_pair("llama").processor.vocabulary

    def found(*names: str, missing: tuple[str, ...]) -> ToolCallOutput:
        schema = {"type": "object", "properties": {n: parameters[n] for n in names}, "required": [*names]}
        scaffold = Scaffold([compile_tool({"name": "ask", "parameters": schema}, vocabulary)], vocabulary)
        given = {"city": "Oslo", "days": 5, "size": 7, "place": {"zone": "a"}}
        values = scaffold.read([{name: given[name] for name in names}])
        absent = {path: 0.9 if path[-1] in missing else 0.1 for path in values}
        output = ToolCallOutput("tool")
        assemble(output, scaffold, values, dict.fromkeys(values, 0.5), absent, LaFuncConfig())
        return output

    (call,) = found("city", "days", "place", missing=("days", "zone")).tool_calls
    assert call.arguments == {"city": "Oslo", "days": 3, "place": {"zone": "b"}}
    assert call.confidence.keys() == {"$.city"}  # the filler did not write the others
    (call,) = found("city", "days", missing=()).tool_calls
    assert call.arguments == {"city": "Oslo", "days": 5}
    assert [need.path for need in found("city", "size", missing=("size",)).needs] == ["$.size"]
    whole = {"type": "object", "additionalProperties": {"type": "integer"}, "default": {"a": 1}}
    scaffold = Scaffold([compile_tool({"name": "ask", "parameters": whole}, vocabulary)], vocabulary)
    values = scaffold.read([{"b": 2}])
    output = ToolCallOutput("tool")
    assemble(output, scaffold, values, {}, dict.fromkeys(values, 0.9), LaFuncConfig())
    assert output.needs or output.tool_calls  # a default of all arguments is of no single value
    output = found("city", "days", missing=("city", "days"))
    assert [need.path for need in output.needs] == ["$.city"] and not output.tool_calls


def test_a_value_that_another_argument_holds_does_not_stand_for_two():
    """Optional values whose guesses stand in the conversation are given, unless others need what stands there."""
    parameters = {name: {"type": "integer"} for name in ("first", "second", "third", "fourth")}
    tool = {"name": "ask", "parameters": {"type": "object", "properties": parameters, "required": ["first"]}}
    vocabulary = make_pair("llama").processor.vocabulary
    scaffold = Scaffold([compile_tool(tool, vocabulary)], vocabulary)
    values = scaffold.read([{"first": 5, "second": 5, "third": 16, "fourth": 6}])
    absent = {path: 0.5 for path in values} | {(0, "second"): 0.6}
    config = LaFuncConfig(presence_weight=1.0, optional_weights=[1.0, 0.0, -2.0, 0.0, 0.0, 1.0])

    def found(text: str) -> dict[str, tuple[bool, bool]]:
        calls = Calls(
            scaffold, absent=absent, guesses={p: (value, 0.9) for p, value in values.items()}, searched=[text]
        )
        calls.hear(Canvas(scaffold, scaffold.block()))
        present = calls.present(config)
        return {name: (calls.evidence[0, name].stands, present[0, name] > 0) for name in list(parameters)[1:]}

    doubted, held = (False, False), (True, True)
    assert found("5 of 16") == {"second": doubted, "third": held, "fourth": doubted}
    assert found("5 of 5 and 6") == {"second": held, "third": doubted, "fourth": held}
    assert (
        Calls(scaffold, absent=absent, searched=["5"]).present(config)[0, "second"] < 0
    )  # nobody guessed: the word alone


def test_evidence_is_of_one_call_and_of_what_is_not_written():
    """Another call's doubtful value of that name is no excuse; a call that follows may have nothing to guess."""
    vocabulary = make_pair("llama").processor.vocabulary
    numbers = {"type": "object", "properties": {"n": {"type": "integer"}, "m": {"type": "integer"}}, "required": ["n"]}
    first, other = (
        compile_tool({"name": name, "parameters": {**numbers, "required": required}}, vocabulary)
        for name, required in (("first", ["n"]), ("other", ["m"]))
    )
    scaffold = Scaffold([first, other], vocabulary)
    values = scaffold.read([{"n": 5, "m": 5}, {"n": 5, "m": 5}])
    absent = dict.fromkeys(values, 0.5) | {(1, "n"): 0.9}
    guesses = {path: (value, 0.9) for path, value in values.items()}
    calls = Calls(scaffold, absent=absent, guesses=guesses, searched=["5"])
    calls.hear(Canvas(scaffold, scaffold.block()))
    assert calls.evidence.keys() == {(0, "m"), (1, "n")} and not calls.evidence[0, "m"].stands
    ping = compile_tool({"name": "ping", "parameters": {}}, vocabulary)
    alone = Scaffold([first], vocabulary)
    written = Calls(alone, absent=absent, guesses=guesses, searched=["5"])
    written.scaffold = alone.followed_by(ping, alone.read([{"n": 5}]))
    written.hear(Canvas(written.scaffold, written.scaffold.block()))
    assert not written.evidence


def test_numbers_in_words_are_looked_for_in_digits(pair, monkeypatch):
    looked_in = []

    def noted(*args, **kwargs):
        looked_in.append(kwargs["searched"])
        assemble(*args, **kwargs)

    monkeypatch.setattr(modeling_lafunc, "assemble", noted)
    pair.call("The weather for seven days in Oslo", [WEATHER], tool_choice="get_weather")
    assert looked_in == [["The weather for seven days in Oslo", "7"]]


def test_what_is_named_is_for_or_against_and_what_cannot_be_is_silent():
    assert [Evidence(0.5, 0.5, False, True, named).features[4] for named in (True, False, None)] == [1.0, -1.0, 0.0]
