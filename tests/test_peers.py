"""Other libraries on the same weights: valid calls whatever the weights say; and the race against them."""

import json
import sys
from types import SimpleNamespace

import jsonschema
import pytest
import torch
from conftest import ORDER, WEATHER

from lafunc.evaluation import peers as peers_module
from lafunc.evaluation.peers import PEERS, Peer, PeerAnswer, answer_schema, closed, find_fault, open_peers
from lafunc.evaluation.race import LAFUNC, quantile, race, summarize

ON_TORCH = ("xgrammar", "llguidance", "outlines")
MODULES = {"llamacpp": "llama_cpp"}  # where the module is not called as the peer is
HELLO = [{"role": "user", "content": "hello"}]
LAMP = {
    "name": "set_lamp",
    "description": "Set a lamp.",
    "parameters": {
        "type": "object",
        "properties": {
            "colour": {"type": "string", "enum": ["red", "green", "blue"]},
            "level": {"type": "integer", "enum": [0, 50, 100]},
        },
        "required": ["colour", "level"],
    },
}
NOTE = {
    "name": "send_note",
    "description": "Send a note.",
    "parameters": {
        "type": "object",
        "properties": {
            "to": {"$ref": "#/$defs/Person"},
            "marks": {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 2},
        },
        "required": ["to", "marks"],
        "$defs": {
            "Person": {
                "type": "object",
                "properties": {"name": {"type": "string", "maxLength": 5}, "vip": {"type": "boolean"}},
                "required": ["name", "vip"],
            }
        },
    },
}
COUNT = {
    "name": "count",
    "description": "Count.",
    "parameters": {"type": "object", "properties": {"up_to": {"type": "integer"}}, "required": ["up_to"]},
}


@pytest.fixture(autouse=True)
def uncompiled():
    """outlines masks with a kernel of torch.compile, which takes half a minute to compile."""
    with torch.compiler.set_stance("force_eager"):
        yield


def open_one(name, pair) -> Peer:
    pytest.importorskip(MODULES.get(name, name))
    found, missing = open_peers([name], pair.model, pair.processor)
    assert not missing
    return found[name]


# ---------------------------------------------------------------------------------------------------- peers


@pytest.mark.parametrize("name", ON_TORCH)
@pytest.mark.parametrize("tools", [[LAMP], [NOTE], [LAMP, NOTE]], ids=["enum", "nested", "two"])
def test_calls_are_valid_whatever_the_weights_say(pair, name, tools):
    peer = open_one(name, pair)
    answer = peer.call(pair.processor.prompt(HELLO, tools), tools)
    assert answer.valid and answer.error is None, answer
    [(called, arguments)] = answer.calls
    assert json.loads(answer.text) == {"name": called, "arguments": arguments}
    assert 0 < answer.passes <= answer.tokens
    assert peer.version[0].isdigit()


@pytest.mark.parametrize("name", ON_TORCH)
def test_several_calls_are_an_array(pair, name):
    answer = open_one(name, pair).call(pair.processor.prompt(HELLO, [LAMP, NOTE]), [LAMP, NOTE], (2, 3))
    assert answer.valid, answer
    assert 2 <= len(answer.calls) <= 3


@pytest.mark.parametrize("name", ON_TORCH)
def test_an_integer_that_never_ends_is_no_call(pair, name):
    """Random weights write digits until the limit, or end: either way the answer says what it is."""
    answer = open_one(name, pair).call(pair.processor.prompt(HELLO, [COUNT]), [COUNT], max_new_tokens=30)
    assert answer.tokens <= 30
    assert answer.valid == (answer.error is None) == bool(answer.calls)
    if not answer.valid:
        assert "no complete call within 30 tokens" in answer.error


@pytest.mark.parametrize("name", ON_TORCH)
def test_families_of_tokenizers(any_pair, name):
    answer = open_one(name, any_pair).call(any_pair.processor.prompt(HELLO, [LAMP]), [LAMP])
    assert answer.valid, answer


def test_forced_tokens_take_no_pass(pair):
    prompt = pair.processor.prompt(HELLO, [LAMP])
    answer = open_one("llguidance", pair).call(prompt, [LAMP])
    assert answer.passes < answer.tokens / 2


@pytest.mark.parametrize("name", ON_TORCH)
def test_passes_are_those_of_the_base(pair, name):
    passes = []
    hook = pair.model.base.register_forward_pre_hook(lambda *_: passes.append(None))
    try:
        answer = open_one(name, pair).call(pair.processor.prompt(HELLO, [LAMP]), [LAMP])
    finally:
        hook.remove()
    assert answer.passes == len(passes)


def test_peers_leave_the_processor_as_it_was(pair):
    before = pair.processor.tokenizer.padding_side, pair.processor.tokenizer.pad_token_id
    for name in ON_TORCH:
        open_one(name, pair)
    assert (pair.processor.tokenizer.padding_side, pair.processor.tokenizer.pad_token_id) == before


@pytest.mark.parametrize("name", PEERS)
def test_a_missing_peer_is_named_with_the_reason(pair, name, monkeypatch):
    monkeypatch.setitem(sys.modules, MODULES.get(name, name), None)
    found, missing = open_peers([name], pair.model, pair.processor)
    assert not found
    assert "is not installed: pip install .[peers]" in missing[name]


def test_a_peer_that_is_installed_but_broken(pair, monkeypatch):
    def fail(module):
        raise ModuleNotFoundError("No module named 'numba'", name="numba")

    monkeypatch.setattr(peers_module.importlib, "import_module", fail)
    _, missing = open_peers(["xgrammar"], pair.model, pair.processor)
    assert missing["xgrammar"] == "xgrammar is installed but cannot be imported: No module named 'numba'"


def test_llamacpp_needs_a_gguf_file(pair, monkeypatch):
    monkeypatch.setitem(sys.modules, "llama_cpp", SimpleNamespace())
    _, missing = open_peers(["llamacpp"], pair.model, pair.processor)
    assert "no GGUF file" in missing["llamacpp"]


def test_an_unknown_peer(pair):
    with pytest.raises(
        ValueError, match="peer 'vllm' is unknown; the peers are xgrammar, llguidance, outlines, llamacpp"
    ):
        open_peers(["xgrammar", "vllm"], pair.model, pair.processor)


@pytest.mark.real
def test_llamacpp_on_the_file_of_the_base(real):
    peer = open_one("llamacpp", real)
    tools = [WEATHER["function"], LAMP]
    prompt = real.processor.prompt([{"role": "user", "content": "What's the weather in Tokyo?"}], tools)
    text = real.processor.tokenizer.decode(prompt)
    assert peer._llama.tokenize(text.encode(), add_bos=False, special=True) == prompt  # the same vocabulary
    first, second = peer.call(prompt, tools), peer.call(prompt, tools)
    assert first.valid and first == second  # nothing is kept from call to call
    assert first.passes == first.tokens
    with pytest.raises(ValueError, match="cannot read the grammar"):
        peer._check(SimpleNamespace(_grammar="root ::= nowhere", _root="root"))


# ---------------------------------------------------------------------------------------------------- schemas


def test_objects_are_closed_and_references_moved():
    schema = {
        "properties": {
            "properties": {"type": "object", "properties": {"$ref": {"type": "string"}}},
            "free": {"type": "object", "additionalProperties": {"$ref": "#/$defs/A"}},
            "open": {"type": "object", "properties": {}, "additionalProperties": True},
            "any": {"anyOf": [{"type": "object", "properties": {}}, {"const": {"properties": {}}}]},
        },
        "$defs": {"A": {"items": {"properties": {}}}},
    }
    before = json.dumps(schema)
    assert closed(schema, "#/x") == {
        "properties": {
            "properties": {
                "type": "object",
                "properties": {"$ref": {"type": "string"}},
                "additionalProperties": False,
            },
            "free": {"type": "object", "additionalProperties": {"$ref": "#/x/$defs/A"}},
            "open": {"type": "object", "properties": {}, "additionalProperties": True},
            "any": {
                "anyOf": [
                    {"type": "object", "properties": {}, "additionalProperties": False},
                    {"const": {"properties": {}}},
                ]
            },
        },
        "$defs": {"A": {"items": {"properties": {}, "additionalProperties": False}}},
        "additionalProperties": False,
    }
    assert json.dumps(schema) == before


@pytest.mark.parametrize("calls", [(1, 1), (1, 3)])
def test_the_schema_of_an_answer(calls):
    schema = answer_schema([LAMP, NOTE], calls)
    jsonschema.Draft202012Validator.check_schema(schema)
    note = {"name": "send_note", "arguments": {"to": {"name": "Ann", "vip": True}, "marks": [True]}}
    wrong = {"name": "send_note", "arguments": {"to": {"name": "Ann", "vip": True, "age": 3}, "marks": [True]}}
    crossed = {"name": "set_lamp", "arguments": note["arguments"]}
    for call, good in ((note, True), (wrong, False), (crossed, False)):
        answer = [call] if calls[1] > 1 else call
        assert jsonschema.Draft202012Validator(schema).is_valid(answer) == good
    if calls[1] > 1:
        assert not jsonschema.Draft202012Validator(schema).is_valid([note] * 4)


def test_a_tool_without_parameters_takes_none():
    tool = {"name": "ping"}
    assert find_fault([("ping", {})], [tool]) is None
    assert "Additional properties are not allowed" in find_fault([("ping", {"a": 1})], [tool])


def test_faults():
    tools = [LAMP, ORDER]
    assert find_fault([("set_lamp", {"colour": "red", "level": 50})], tools) is None
    assert find_fault([], tools) == "no call"
    assert find_fault([("set_lamb", {})], tools) == "'set_lamb' was not offered"
    assert find_fault([("set_lamp", {"colour": "red", "level": 7})], tools).startswith("set_lamp, $.level: 7 is not")


# ---------------------------------------------------------------------------------------------------- race


class Fake:
    """A peer with a clock of its own: a call takes `seconds`."""

    version = "1.0"

    def __init__(self, clock, seconds, fails=(), invalid=()):
        self.clock, self.seconds, self.fails, self.invalid, self.asked = clock, seconds, fails, invalid, 0

    def call(self, prompt, tools, calls=(1, 1), max_new_tokens=512):
        row, self.asked = self.asked - 1, self.asked + 1  # the first request is the warm-up
        self.clock.now += self.seconds
        if row in self.fails:
            raise RuntimeError("no such keyword")
        if row in self.invalid:
            return PeerAnswer([], "{", 512, 512, False, "no complete call within 512 tokens")
        return PeerAnswer([("set_lamp", {"colour": "red", "level": 50})], "", 20, 10, True)


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only when a fake says so; LaFuNC takes two seconds."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("lafunc.evaluation.race.time.perf_counter", lambda: clock.now)
    return clock


@pytest.fixture
def slow(pair, clock, monkeypatch):
    answer = pair.model.generate_tool_call

    def answer_in_two_seconds(*args, **kwargs):
        clock.now += 2.0
        return answer(*args, **kwargs)

    monkeypatch.setattr(pair.model, "generate_tool_call", answer_in_two_seconds)
    return pair


ROWS = [SimpleNamespace(id=f"row{at}", category="lamps", messages=HELLO, tools=[LAMP]) for at in range(6)]


def right(row, calls):
    return SimpleNamespace(valid=calls == [("set_lamp", {"colour": "red", "level": 50})])


def test_the_race_pairs_and_counts(slow, clock):
    peers = {"quick": Fake(clock, 1.0), "slow": Fake(clock, 5.0, fails=[1], invalid=[4])}
    found = race(slow.model, slow.processor, peers, ROWS, right, filler="autoregressive")
    systems = found["systems"]
    assert list(systems) == [LAFUNC, "quick", "slow"]
    assert systems["quick"]["seconds"] == {"median": 1.0, "p10": 1.0, "p90": 1.0}
    assert systems["quick"]["ratio"] == {"rows": 6, "median": 0.5, "q1": 0.5, "q3": 0.5}
    assert systems["quick"]["accuracy"] == 1.0 and systems["quick"]["errors"] == []
    assert (systems["quick"]["tokens"], systems["quick"]["passes"], systems["quick"]["version"]) == (20, 10, "1.0")
    assert systems["slow"]["ratio"]["rows"] == systems["slow"]["valid"] == 4
    assert systems["slow"]["ratio"]["median"] == 2.5
    assert systems["slow"]["accuracy"] == pytest.approx(4 / 6)
    assert (systems["slow"]["raised"], systems["slow"]["invalid"]) == (1, 1)
    assert systems["slow"]["errors"] == [
        {"id": "row1", "error": "RuntimeError: no such keyword"},
        {"id": "row4", "error": "no complete call within 512 tokens"},
    ]
    assert systems[LAFUNC]["valid"] == 6 and systems[LAFUNC]["ratio"]["median"] == 1.0
    assert found["threads"] == torch.get_num_threads()
    assert json.loads(json.dumps(found)) == found


def test_the_order_changes_from_row_to_row(slow, clock):
    peers = {name: Fake(clock, 1.0) for name in "abc"}
    orders = [
        [record["order"] for record in race(slow.model, slow.processor, peers, ROWS, right, seed=seed)["records"]]
        for seed in (0, 0, 1)
    ]
    assert orders[0] == orders[1] != orders[2]
    assert len({tuple(order) for order in orders[0]}) > 1
    assert all(sorted(order) == ["a", "b", "c", LAFUNC] for order in orders[0])


def test_a_race_goes_on_where_it_stood(slow, clock):
    whole = race(slow.model, slow.processor, {"a": Fake(clock, 1.0)}, ROWS, right)
    kept = []
    rest = Fake(clock, 1.0)
    again = race(slow.model, slow.processor, {"a": rest}, ROWS, right, done=whole["records"][:4], keep=kept.append)
    assert again == whole
    assert [record["id"] for record in kept] == ["row4", "row5"] and rest.asked == 3


def test_lafunc_errors_are_listed_too(slow, clock):
    refused = {"name": "f", "parameters": {"properties": {"a": {"type": "string", "pattern": "(x)\\1"}}}}
    row = SimpleNamespace(id="refused", category="lamps", messages=HELLO, tools=[refused])
    found = race(slow.model, slow.processor, {"a": Fake(clock, 1.0)}, [row], right)
    assert found["systems"][LAFUNC]["raised"] == 1
    assert "SchemaError" in found["systems"][LAFUNC]["errors"][0]["error"]
    assert found["systems"]["a"]["ratio"] == {"rows": 0, "median": None, "q1": None, "q3": None}


def test_no_rows():
    assert summarize([]) == {}


def test_quantiles():
    assert quantile([], 0.5) is None
    assert quantile([3], 0.9) == 3.0
    assert quantile([1, 2, 3, 4, 5], 0.5) == 3.0
    assert quantile([1, 2, 3, 4, 5], 0.25) == 2.0
