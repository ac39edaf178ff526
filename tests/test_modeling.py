"""LaFuncModel: what it answers, in which mode, with which calls, at what cost; a base that stays as it was."""

import copy
import json
import re
from contextlib import contextmanager

import jsonschema
import pytest
import torch
from conftest import HELLO, LAMP, TOOLS, WEATHER, Pair, facts, head_config, make_pair, tool_of

from lafunc import LaFuncModel, Need, ToolCall, ToolCallOutput, modeling_lafunc
from lafunc.denoising_lafunc import Denoiser
from lafunc.request_lafunc import FILLERS, MODES
from lafunc.scaffolding_lafunc import Scaffold


@contextmanager
def routed(pair: Pair, mode: str):
    """The router always chooses `mode`."""
    router = pair.model.router
    before = copy.deepcopy(router.state_dict())
    torch.nn.init.zeros_(router.out.weight)
    router.out.bias.data.copy_(torch.tensor([5.0 * (name == mode) for name in MODES]))
    try:
        yield
    finally:
        router.load_state_dict(before)


@contextmanager
def base_reads(pair: Pair):
    """Lists how much every pass of the base had read before it."""
    seen: list[int] = []

    def note(module, args, kwargs):
        seen.append(kwargs["past_key_values"].get_seq_length())

    handle = pair.model.base.get_decoder().register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield seen
    finally:
        handle.remove()


# ------------------------------------------------------------------------------------ outputs


@pytest.mark.parametrize("filler", FILLERS)
def test_tool_mode_gives_calls_of_offered_tools_that_validate(any_pair, filler):
    output = any_pair.call("hello", TOOLS, filler=filler)
    schemas = {tool["name"]: tool["parameters"] for tool in TOOLS}
    assert output.mode == "tool" and [call.name for call in output.tool_calls] == output.plan != []
    for call in output.tool_calls:
        assert isinstance(call, ToolCall)
        jsonschema.validate(call.arguments, schemas[call.name])


@pytest.mark.parametrize("filler", FILLERS)
def test_bfloat16(any_pair, filler):
    base = copy.deepcopy(any_pair.model.base).to(torch.bfloat16)
    half = Pair(LaFuncModel.from_base(base, **head_config(any_pair.model)).eval(), any_pair.processor)
    dtypes = {name.split(".")[0]: parameter.dtype for name, parameter in half.model.named_parameters()}
    assert dtypes == {"head": torch.bfloat16, "base": torch.bfloat16, "router": torch.float32}
    assert half.model.dtype == torch.bfloat16
    for call in half.call(HELLO, TOOLS, filler=filler).tool_calls:
        jsonschema.validate(call.arguments, {tool["name"]: tool["parameters"] for tool in TOOLS}[call.name])


@pytest.mark.parametrize("filler", FILLERS)
def test_confidence_is_a_probability_by_json_path(pair, filler):
    [call] = pair.call("hello", [LAMP], filler=filler, parallel_tool_calls=False).tool_calls
    assert set(call.confidence) == {f"$.{name}" for name in call.arguments}
    assert all(0 <= value <= 1 for value in call.confidence.values())


def test_to_message_of_calls():
    output = ToolCallOutput("tool", tool_calls=[ToolCall("f", {"a": 1}), ToolCall("g", {})])
    functions = [{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {}}]
    calls = [{"type": "function", "function": function} for function in functions]
    assert output.to_message() == {"role": "assistant", "content": "", "tool_calls": calls}


def test_to_message_of_text():
    assert ToolCallOutput("chat", text="hi").to_message() == {"role": "assistant", "content": "hi"}


def test_to_message_of_needs_asks():
    output = ToolCallOutput("tool", needs=[Need("f", "$.a", "What is the a?"), Need("f", "$.b", "What is the b?")])
    assert output.to_message() == {"role": "assistant", "content": "What is the a? What is the b?"}


def test_values_that_the_head_finds_absent_are_needs():
    pair = make_pair("llama", needs_threshold=0.0)
    output = pair.call("hello", [LAMP], filler="diffusion", parallel_tool_calls=False)
    assert output.tool_calls == []
    assert [(need.name, need.path) for need in output.needs] == [("set_lamp", "$.on"), ("set_lamp", "$.colour")]


def test_question_names_the_argument_and_its_description():
    pair = make_pair("llama", needs_threshold=0.0)
    output = pair.call("hello", [WEATHER], filler="diffusion", parallel_tool_calls=False)
    assert output.needs[0].question == "What is the location? (City name)"


def test_one_conversation_gives_one_output(pair):
    assert isinstance(pair.call(HELLO, [LAMP]), ToolCallOutput)


def test_batch_of_one_gives_a_list(pair):
    outputs = pair.call([HELLO], [LAMP])
    assert [facts(output) for output in outputs] == [facts(pair.call(HELLO, [LAMP]))]


def test_answer_can_be_continued(any_pair):
    first = any_pair.call(HELLO, TOOLS)
    results = [{"role": "tool", "content": "done"} for _ in first.tool_calls]
    second = any_pair.call([*HELLO, first.to_message(), *results], TOOLS)
    assert second.tool_calls


# ------------------------------------------------------------------------------------ modes


@pytest.mark.parametrize("mode", MODES)
def test_mode_by_argument(any_pair, mode):
    output = any_pair.call("hello", [LAMP], mode=mode, max_new_tokens=4)
    assert (output.mode, bool(output.tool_calls)) == (mode, mode == "tool")


@pytest.mark.parametrize("mode", MODES)
def test_mode_by_router(any_pair, mode):
    with routed(any_pair, mode):
        output = any_pair.call("hello", [LAMP], mode="auto", max_new_tokens=4)
    assert (output.mode, bool(output.tool_calls)) == (mode, mode == "tool")
    assert max(output.mode_probabilities, key=output.mode_probabilities.get) == mode
    assert sum(output.mode_probabilities.values()) == pytest.approx(1)


@pytest.mark.parametrize("mode", MODES[:2])
def test_router_without_tools_never_calls(pair, mode):
    with routed(pair, "tool"):
        pair.model.router.out.bias.data[MODES.index(mode)] = 1
        assert pair.call("hello", None, mode="auto", max_new_tokens=4).mode == mode


def test_untrained_router_without_tools_chats():
    pair = make_pair("llama", trained=[])
    assert pair.call("hello", None, mode="auto", max_new_tokens=4).mode == "chat"


# ------------------------------------------------------------------------------------ tool choice


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool["name"])
@pytest.mark.parametrize("mode", ["auto", "tool"])
def test_tool_choice_by_name(any_pair, mode, tool):
    with routed(any_pair, "chat"):
        output = any_pair.call("hello", TOOLS, mode=mode, tool_choice=tool["name"])
    assert [call.name for call in output.tool_calls] == [tool["name"]]


@pytest.mark.parametrize("filler", FILLERS)
def test_tool_choice_as_a_list_is_the_plan(any_pair, filler):
    names = [TOOLS[1]["name"], TOOLS[0]["name"], TOOLS[1]["name"]]
    with routed(any_pair, "chat"):
        output = any_pair.call("hello", TOOLS, mode="auto", tool_choice=names, filler=filler)
    assert [call.name for call in output.tool_calls] == output.plan == names


def test_tool_choice_required_overrules_the_router(any_pair):
    with routed(any_pair, "chat"):
        assert any_pair.call("hello", TOOLS, mode="auto", tool_choice="required").tool_calls


def test_tool_choice_none_overrules_the_router(any_pair):
    with routed(any_pair, "tool"):
        output = any_pair.call("hello", TOOLS, mode="auto", tool_choice="none", max_new_tokens=4)
    assert output.mode != "tool" and output.tool_calls == []


def test_tool_choice_auto_asks_the_router(any_pair):
    with routed(any_pair, "tool"):
        assert any_pair.call("hello", TOOLS, mode="auto", tool_choice="auto").mode == "tool"


@pytest.fixture
def greedy_plan(monkeypatch):
    """A base that always wants one more call: the plan takes the longest way."""
    from lafunc import planning_lafunc

    def write(reader, cursors):
        for cursor in cursors:
            while not cursor.done:
                wanted = max(cursor._ways, key=lambda way: way[1].text.endswith(planning_lafunc.MORE))[0]
                logits = torch.zeros(len(cursor.vocabulary.bytes))
                logits[list(wanted[cursor._depth : cursor._depth + 1])] = 9.0
                cursor.choose(logits)

    monkeypatch.setattr(planning_lafunc, "write", write)


@pytest.mark.parametrize(("parallel", "calls"), [(True, 3), (False, 1)])
@pytest.mark.parametrize("filler", FILLERS)
def test_parallel_tool_calls(greedy_plan, filler, parallel, calls):
    pair = make_pair("llama", max_calls=3)
    output = pair.call("hello", TOOLS, parallel_tool_calls=parallel, filler=filler)
    assert len(output.tool_calls) == len(output.plan) == calls


def test_max_calls_of_one_tool(greedy_plan):
    pair = make_pair("llama", max_calls=4)
    assert pair.call("hello", [LAMP]).plan == ["set_lamp"] * 4


# ------------------------------------------------------------------------------------ cost


@pytest.mark.parametrize("filler", FILLERS)
def test_the_prompt_is_read_once(any_pair, filler):
    length = len(any_pair.processor.prompt(HELLO, TOOLS))
    with base_reads(any_pair) as reads:
        output = any_pair.call(HELLO, TOOLS, filler=filler)
    assert reads[0] == 0 and min(reads[1:]) == length == output.stats.prompt_tokens
    assert len(reads) == output.stats.base_passes


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_diffusion_takes_one_scaffold_pass_and_a_head_pass_per_step(any_pair, steps):
    with base_reads(any_pair) as reads:
        stats = any_pair.call(HELLO, [LAMP], filler="diffusion", num_steps=steps, parallel_tool_calls=False).stats
    passes = 3 if any_pair.processor.empty_thought else 2
    assert (stats.base_passes, stats.head_passes, stats.rounds) == (len(reads), steps, 0) == (passes, steps, 0)
    assert stats.fill_passes == 1


def test_autoregressive_takes_no_head_pass(pair):
    stats = pair.call(HELLO, [LAMP], filler="autoregressive").stats
    assert stats.head_passes == 0 and stats.base_passes > 2


def test_verified_takes_one_pass_where_the_draft_is_what_the_base_writes(pair, monkeypatch):
    """And never more than left to right takes, whatever the draft."""
    written = pair.call(HELLO, [LAMP], filler="autoregressive", parallel_tool_calls=False)
    drafted = pair.call(HELLO, [LAMP], filler="verified", parallel_tool_calls=False)
    assert drafted.stats.rounds <= written.stats.base_passes - 1  # the prompt's
    assert drafted.stats.fill_passes == drafted.stats.rounds + 1  # the scaffold's
    scaffold = Scaffold(pair.processor.compile_tools([LAMP]), pair.processor.vocabulary)
    values = scaffold.read([call.arguments for call in written.tool_calls])
    monkeypatch.setattr(Denoiser, "fill", lambda self, draft: [values])
    again = pair.call(HELLO, [LAMP], filler="verified", parallel_tool_calls=False)
    assert facts(again) == facts(written) and again.stats.rounds == 1


def test_seconds_by_stage(pair):
    seconds = pair.call(HELLO, [LAMP]).stats.seconds
    assert list(seconds) == ["prefill", "router", "plan", "scaffold", "fill", "assemble"]
    assert all(value >= 0 for value in seconds.values())


def test_chat_reads_the_prompt_once_when_the_mode_is_given(pair):
    stats = pair.call(HELLO, [LAMP], mode="chat", max_new_tokens=2, min_new_tokens=2).stats
    read = len(pair.processor.prompt(HELLO, [LAMP], enable_thinking=False))
    assert (stats.base_passes, stats.base_tokens, stats.prompt_tokens) == (2, read + 1, read)
    assert list(stats.seconds) == ["chat"]


def test_a_batch_is_read_in_groups_of_similar_length(pair, monkeypatch):
    """Each no larger than is read well at once; a prompt that is too long by itself is read all the same."""
    read: list[list[int]] = []
    reader = LaFuncModel.reader
    monkeypatch.setattr(
        LaFuncModel, "reader", lambda model, prompts, *rest: read.append(prompts) or reader(model, prompts, *rest)
    )
    texts = ["Oslo", "Oslo, " * 40, "Paris", "Paris and Rome and " * 9, "Oslo, " * 30]
    conversations = [[{"role": "user", "content": text}] for text in texts]
    alone = [pair.call(conversation, TOOLS, mode="tool") for conversation in conversations]
    lengths = [len(prompts[0]) for prompts in read]
    read.clear()
    monkeypatch.setitem(modeling_lafunc.TOKENS_AT_ONCE, "cpu", 2 * max(lengths) - 1)
    batch = pair.call(conversations, TOOLS, mode="tool")
    assert sorted(len(prompt) for prompts in read for prompt in prompts) == sorted(lengths)
    assert [len(prompts) for prompts in read] == [2, 1, 2]  # each begins with the first conversation that is left
    assert [facts(output) for output in batch] == [facts(output) for output in alone]


def test_batch_shares_its_stats(pair):
    first, second = pair.call([HELLO, HELLO], [LAMP])
    assert first.stats is second.stats and first.stats.prompt_tokens == 2 * len(pair.processor.prompt(HELLO, [LAMP]))


# ------------------------------------------------------------------------------------ trace


def test_no_trace_unless_asked_for(pair):
    assert pair.call(HELLO, [LAMP]).trace is None


@pytest.mark.parametrize("schedule", ["conservative", "confidence", "entropy_bound"])
def test_trace_of_diffusion_ends_with_everything_committed(pair, schedule):
    output = pair.call(
        HELLO, [LAMP], filler="diffusion", num_steps=3, schedule=schedule, return_trace=True, parallel_tool_calls=False
    )
    steps = [entry for entry in output.trace if entry["stage"] == "denoise"]
    assert [slot["path"] for slot in steps[0]["slots"]] == ["$[0].on", "$[0].colour", "$[0].level"]
    assert all(all(slot["committed"]) for slot in steps[-1]["slots"])
    assert not all(all(slot["committed"]) for slot in steps[0]["slots"])


def test_trace_of_diffusion_shows_the_values(pair):
    output = pair.call(HELLO, [LAMP], filler="diffusion", return_trace=True, parallel_tool_calls=False)
    last = [entry for entry in output.trace if entry["stage"] == "denoise"][-1]
    shown = {s["path"]: "".join(t for t in s["tokens"] if t != "<NULL>").strip() for s in last["slots"]}
    values = {f"$[0].{name}": json.dumps(value).rstrip('"') for name, value in output.tool_calls[0].arguments.items()}
    assert {path: text for path, text in shown.items() if text} == values  # closing quotes stand outside the slots


def watch(pair, messages, tools, **kwargs) -> tuple[ToolCallOutput, list[tuple[int, dict]]]:
    seen: list[tuple[int, dict]] = []
    output = pair.call(messages, tools, on_step=lambda *step: seen.append(step), **kwargs)
    return output, seen


@pytest.mark.parametrize("filler", FILLERS)
def test_on_step_is_told_what_the_trace_records(any_pair, filler):
    output, seen = watch(any_pair, HELLO, TOOLS, filler=filler, return_trace=True)
    assert seen == [(0, entry) for entry in output.trace]
    assert [entry["stage"] for _, entry in seen[:3]] == ["mode", "plan", "scaffold"]
    assert seen[0][1]["mode"] == output.mode and seen[1][1]["names"] == output.plan
    fixed = "".join(piece if isinstance(piece, str) else "" for piece in seen[2][1]["pieces"])
    assert re.sub(" ‹.*?›", "", output.scaffold) == fixed


def test_on_step_is_told_of_every_conversation_of_a_batch(pair):
    outputs, seen = watch(pair, [HELLO, HELLO], [LAMP], filler="verified", return_trace=True)
    for index, output in enumerate(outputs):
        assert [entry for at, entry in seen if at == index] == output.trace


@pytest.mark.parametrize("filler", ["autoregressive", "verified"])
def test_what_is_told_of_writing_is_the_values(any_pair, filler):
    output, seen = watch(any_pair, HELLO, [LAMP], filler=filler, parallel_tool_calls=False)
    written: dict[str, str] = {}
    for _, entry in seen:
        for slot in entry["slots"] if entry["stage"] == "write" else []:
            assert slot["tokens"] and len(slot["tokens"]) == len(slot["probabilities"])
            written[slot["path"]] = written.get(slot["path"], "") + "".join(slot["tokens"])
    values = {f"$[0].{name}": json.dumps(value) for name, value in output.tool_calls[0].arguments.items()}
    assert {path: text.strip().rstrip('"') for path, text in written.items()} == {
        path: text.rstrip('"') for path, text in values.items()
    }


def test_writing_is_told_of_once_a_pass(pair):
    output, seen = watch(pair, HELLO, [LAMP], filler="autoregressive", tool_choice=["set_lamp"])
    passes = [entry for _, entry in seen if entry["stage"] == "write"]
    assert len(passes) == output.stats.base_passes - 1  # the prompt's


class Enough(Exception):
    """What the watcher of a request raises."""


@pytest.mark.parametrize("filler", FILLERS)
def test_what_on_step_raises_ends_the_request_at_once(pair, filler):
    expected = facts(pair.call(HELLO, TOOLS, filler=filler))
    passes: list[int] = []
    with base_reads(pair) as reads:

        def stop(index, entry):
            if entry["stage"] in ("denoise", "write"):
                passes.append(len(reads))
                raise Enough

        with pytest.raises(Enough):
            pair.call(HELLO, TOOLS, filler=filler, on_step=stop)
        assert passes == [len(reads)]
    assert facts(pair.call(HELLO, TOOLS, filler=filler)) == expected


def test_a_scaffold_that_is_laid_out_with_more_room_is_told_again(pair):
    tool = tool_of({"type": "string"}, "a")
    _, seen = watch(pair, HELLO, [tool], filler="diffusion", parallel_tool_calls=False)
    budgets = [entry["pieces"][1]["budget"] for _, entry in seen if entry["stage"] == "scaffold"]
    shown = [len(entry["slots"][0]["tokens"]) for _, entry in seen if entry["stage"] == "denoise"]
    assert budgets == sorted(set(budgets)) and set(shown) <= set(budgets)


def test_in_chat_mode_the_mode_is_told(pair):
    output, seen = watch(pair, HELLO, None, mode="chat", max_new_tokens=2)
    told = {"stage": "mode", "mode": "chat", "probabilities": None, "tools": None}
    assert seen == [(0, told)] and output.mode == "chat"


@pytest.mark.parametrize("filler", FILLERS)
def test_trace_changes_nothing_and_is_json(any_pair, filler):
    traced = any_pair.call(HELLO, TOOLS, filler=filler, return_trace=True)
    assert facts(traced) == facts(any_pair.call(HELLO, TOOLS, filler=filler))
    assert json.loads(json.dumps(traced.trace)) == traced.trace != []


# ------------------------------------------------------------------------------------ the base


def test_generate_is_the_base_s(any_pair):
    ids = torch.tensor([any_pair.processor.prompt(HELLO)])
    written = any_pair.model.generate(ids, max_new_tokens=8, do_sample=False)
    assert torch.equal(written, any_pair.model.base.generate(ids, max_new_tokens=8, do_sample=False))


def test_forward_is_the_base_s(any_pair):
    ids = torch.tensor([any_pair.processor.prompt(HELLO)])
    assert torch.equal(any_pair.model(ids).logits, any_pair.model.base(ids).logits)


def test_chat_is_what_the_base_would_write(any_pair):
    ids = torch.tensor([any_pair.processor.prompt(HELLO, enable_thinking=False)])
    written = any_pair.model.base.generate(ids, max_new_tokens=8, do_sample=False)[0, ids.shape[1] :]
    output = any_pair.call(HELLO, None, mode="chat", max_new_tokens=8, do_sample=False)
    assert output.text == any_pair.processor.tokenizer.decode(written, skip_special_tokens=True)


@pytest.mark.parametrize("family", ["smollm3", "qwen3"])
@pytest.mark.parametrize("system", [[], [{"role": "system", "content": "/no_think"}]], ids=["", "no_think"])
def test_chat_by_router_begins_with_one_empty_thought(family, system, monkeypatch):
    pair, prompts = make_pair(family), []
    generate = pair.model.base.generate
    monkeypatch.setattr(
        pair.model.base, "generate", lambda ids, **kwargs: prompts.append(ids) or generate(ids, **kwargs)
    )
    with routed(pair, "chat"):
        pair.call([*system, *HELLO], [LAMP], mode="auto", max_new_tokens=1)
    assert pair.processor.tokenizer.decode(prompts[0][0]).count("<think>\n\n</think>") == 1


@pytest.mark.parametrize("system", [[], [{"role": "system", "content": "/no_think"}]], ids=["", "no_think"])
def test_tool_mode_reads_one_empty_thought(system):
    pair, prompts = make_pair("smollm3"), []
    decoder = pair.model.base.get_decoder()
    decoder.register_forward_pre_hook(
        lambda _, args, kwargs: prompts.append(kwargs.get("input_ids")), with_kwargs=True
    )
    scaffold = pair.call([*system, *HELLO], [LAMP]).scaffold
    read = "".join(pair.processor.tokenizer.decode(ids[0]) for ids in prompts)
    assert read.count("<think>\n\n</think>") == 1 and "think" not in scaffold


def test_base_is_frozen_and_the_heads_are_not(any_pair):
    trainable = {
        name.split(".")[0] for name, parameter in any_pair.model.named_parameters() if parameter.requires_grad
    }
    assert trainable == {"router", "head"}
    assert not any(parameter.requires_grad for parameter in any_pair.model.base.parameters())


def test_tool_calls_leave_every_weight_as_it_was(any_pair):
    before = copy.deepcopy(any_pair.model.state_dict())
    for filler in FILLERS:
        any_pair.call(HELLO, TOOLS, filler=filler)
    after = any_pair.model.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)


def test_training_keeps_the_base_in_evaluation():
    model = make_pair("llama").model.train()
    assert (model.training, model.head.training, model.router.training) == (True, True, True)
    assert not any(module.training for module in model.base.modules())


def test_evaluation_after_training():
    model = make_pair("llama").model.train().eval()
    assert not any(module.training for module in model.modules())


def test_new_heads_are_seeded():
    one, other = (make_pair("llama", seed=3).model.head.state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_no_weight_of_a_new_head_is_left_unset(any_pair):
    """Symbols of zeros would make the mask and the null token the same."""
    assert all(
        parameter.isfinite().all() and parameter.any()
        for name, parameter in any_pair.model.head.named_parameters()
        if not name.endswith("bias")
    )
