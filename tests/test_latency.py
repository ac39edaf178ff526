"""Latency: what is timed, weighted and left as it was; how cost grows, and what a request on each axis asks for."""

import json
from types import SimpleNamespace

import pytest
import torch
from conftest import make_base, make_pair, make_tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, SmolLM3Config

from lafunc import LaFuncProcessor, RequestError
from lafunc.__main__ import main
from lafunc.evaluation import bfcl, growth, modes, peers, results
from lafunc.evaluation.peers import PeerAnswer
from lafunc.evaluation.quantiles import spread
from lafunc.output_lafunc import Stats

CITY = {
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 6}}, "required": ["city"]},
}
SMALL = {"arguments": (1, 2), "calls": (1, 2), "tools": (2,), "prompt": (700,), "batch": (1, 2)}


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(modes, "TIMED_TOKENS", 3)


@pytest.fixture
def untrained():
    """A tiny pair with untrained heads."""
    return make_pair("llama", trained=[], max_slot_tokens=6)


def run(*words: str) -> int:
    return main(["eval", "latency", *words])


class Fake:
    """A peer that writes at once."""

    def __init__(self, fails_at: int = 0):
        self.fails_at, self.asked = fails_at, []

    def call(self, prompt, tools, calls):
        self.asked.append((len(prompt), len(tools), calls))
        if calls == (self.fails_at, self.fails_at):
            raise OverflowError("too many")
        return SimpleNamespace(tokens=7, passes=5, valid=True)


# ---------------------------------------------------------------------------------------------------- by mode


@pytest.mark.parametrize("family", ["llama", "smollm3"])
def test_every_part_of_every_mode_is_timed(family):
    pair = make_pair(family, trained=[], max_slot_tokens=6)
    found = modes.modes(pair.model, pair.processor, ["Hello", "Weather in Paris?"], [CITY], repeats=2, warmup=1)
    assert found["weights"] == "pretrained" and found["untrained_heads"] == ["router", "diffusion"]
    assert found["can_think"] == (family == "smollm3")
    assert set(found["router"]) == {"prefill", "router"}
    assert set(found["chat"]) == set(found["think"]) == {"first", "token"}
    for parts in (found["router"], found["chat"], found["think"]):
        assert all(0 < part["p10"] <= part["median"] <= part["p90"] for part in parts.values())
    assert list(found["tool"]) == ["autoregressive", "diffusion", "verified"]
    for filler, parts in found["tool"].items():
        assert set(parts) == {*modes.STAGES, "total", "base_passes", "head_passes"}
        assert all(parts[stage]["median"] > 0 for stage in (*modes.STAGES, "total"))
        assert (parts["head_passes"]["median"] > 0) == (filler != "autoregressive")
        assert found["answer"][filler]["tool"] == parts["total"]["median"]
    json.dumps(found)


def test_the_weighted_sums_are_those_computed_by_hand():
    medians = {
        "router": {"prefill": 9.0, "router": 1.0},
        "chat": {"first": 20.0, "token": 2.0},
        "think": {"first": 30.0, "token": 3.0},
    }
    answer, useful = modes.weigh(medians, 100.0)
    assert answer == pytest.approx({"chat": 94, "think": 424, "tool": 100, "weighted": 145})
    assert useful == pytest.approx({"chat": 30, "think": 424, "tool": 100, "weighted": 106.6})
    assert sum(modes.SHARES.values()) == pytest.approx(1)


def test_spread_is_median_and_deciles():
    assert spread(range(11)) == {"median": 5, "p10": 1, "p90": 9}
    assert spread([4.0]) == {"median": 4, "p10": 4, "p90": 4}


@pytest.mark.parametrize("fails", [False, True])
def test_timing_leaves_the_model_as_it_was(untrained, fails):
    clock, model, settle = modes.Clock("cpu"), untrained.model, Stats.settle
    try:
        with modes.timing(model, clock, max_slot_tokens=3) as heads:
            assert heads == ["router", "diffusion"] and model.config.trained == heads
            assert model.config.max_slot_tokens == 3 and Stats.settle == clock.wait
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert fails
    assert model.config.trained == [] and model.config.max_slot_tokens == 6 and Stats.settle is settle
    with pytest.raises(RequestError, match="untrained"):
        untrained.call("Hello", [CITY], filler="diffusion")


def test_a_failing_request_leaves_the_model_as_it_was(untrained):
    with pytest.raises(RequestError):
        modes.modes(untrained.model, untrained.processor, [""], [CITY, CITY], repeats=1, warmup=0)
    assert untrained.model.config.trained == []


def test_a_stage_waits_for_the_device_at_both_ends(untrained):
    waits = []
    clock = modes.Clock("cpu")
    clock.wait = lambda: waits.append(1)
    with modes.timing(untrained.model, clock):
        out = untrained.call("Hello", [CITY])
    assert len(waits) == 2 * len(out.stats.seconds) == 12


def test_a_clock_tells_milliseconds():
    clock = modes.Clock("cpu")
    assert clock.between(1.0, 1.5) == 500
    result, ms = clock.time(lambda: "done")
    assert result == "done" and 0 < ms < 1000


# ---------------------------------------------------------------------------------------------------- shapes


def test_smollm3_3b_has_the_numbers_of_the_true_model():
    config = AutoConfig.for_model(**modes.SHAPES["smollm3-3b"])
    assert isinstance(config, SmolLM3Config)
    with torch.device("meta"):
        base = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    assert base.num_parameters() == 3_075_098_624  # as the model's page says: 3.08B
    assert (config.hidden_size, config.num_hidden_layers, config.intermediate_size) == (2048, 36, 11008)
    assert (config.num_attention_heads, config.num_key_value_heads) == (16, 4)
    assert config.no_rope_layers == [1, 1, 1, 0] * 9 and config.max_position_embeddings == 65536
    assert config.rope_parameters["rope_theta"] == 5e6 and config.tie_word_embeddings


def test_a_shape_is_random_and_says_so(monkeypatch, tmp_path, capsys):
    """Also: the processor's vocabulary may be smaller than the shape's, and a call through `run` writes a file."""
    processor = LaFuncProcessor.from_base(make_tokenizer("llama"))
    processor.save_pretrained(tmp_path / "tokenizer")
    tiny = make_base("llama", len(processor.tokenizer) + 100).config.to_dict()
    monkeypatch.setitem(modes.SHAPES, "tiny", {**tiny, "model_type": "llama"})
    model, _ = modes.shape("tiny", tmp_path / "tokenizer")
    assert model.dtype == torch.bfloat16 and model.config.max_slot_tokens == modes.RANDOM_SLOT_TOKENS
    monkeypatch.setattr(modes, "REQUESTS", ("Hello",))
    (tmp_path / "tools.json").write_text(json.dumps([CITY]))
    monkeypatch.setattr(modes, "TOOLS", tmp_path / "tools.json")
    words = ["--shape", "tiny", "--checkpoint", str(tmp_path / "tokenizer"), "--device", "cpu", "--repeats", "1"]
    assert run(*words, "--out", str(tmp_path / "modes.json")) == 0
    found = results.read(tmp_path / "modes.json", "latency")
    assert found["settings"]["weights"] == found["data"]["weights"] == "random"
    assert found["settings"]["model"] == "tiny" and str(tmp_path) not in json.dumps(found)
    shown = capsys.readouterr().out
    assert "Accuracy means nothing" in shown and "weighted" in shown


@pytest.mark.parametrize(
    "words, message",
    [
        (["--shape", "smollm4"], "shape 'smollm4' is unknown; it must be one of smollm3-3b, smollm2-135m"),
        (["--filler", "guessing"], "filler 'guessing' is unknown"),
        (["--steps", "0"], "num_steps must be a whole number of at least 1, got 0"),
        (["--repeats", "0"], "--repeats must be at least 1, got 0"),
        (["--threads", "0"], "--threads must be at least 1, got 0"),
        (["--growth", "depth"], "axis 'depth' is unknown; it must be one of arguments, calls, tools, prompt, batch"),
        (["--device", "tpu"], "device 'tpu' is unknown; it must be cpu, cuda or auto"),
        (["--device", "cuda"], "PyTorch finds no CUDA device here"),
    ],
)
def test_bad_options_are_named(words, message, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert run(*words) == 2
    assert message in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------- growth


def test_requests_ask_for_what_the_axes_promise(pair):
    for x in growth.AXES["arguments"]:
        (asked,) = growth.cases("arguments", x, pair.processor)
        (tool,) = asked.tools
        assert len(tool["parameters"]["required"]) == len(tool["parameters"]["properties"]) == x
        assert all(f"{name} " in asked.messages[-1]["content"] for name in tool["parameters"]["required"])
    kinds = [schema["type"] for schema in tool["parameters"]["properties"].values()]
    assert kinds == ["string", "integer", "string", "boolean"] * 8
    for x in growth.AXES["calls"]:
        (asked,) = growth.cases("calls", x, pair.processor)
        assert (asked.calls, len(asked.tools), asked.messages[-1]["content"].count(" for ")) == (x, 1, x)
    for x in growth.AXES["tools"]:
        (asked,) = growth.cases("tools", x, pair.processor)
        names = {tool["name"] for tool in asked.tools}
        assert (asked.calls, len(names)) == (1, x) and "book_table" in names
        pair.processor.compile_tools(asked.tools)
    for x in (800, 1024, 2048):
        (asked,) = growth.cases("prompt", x, pair.processor)
        assert x - 100 < len(pair.processor.prompt(asked.messages, asked.tools)) <= x
    batch = growth.cases("batch", 64, pair.processor)
    assert len({json.dumps(one.tools) for one in batch}) == len({one.messages[0]["content"] for one in batch}) == 64
    assert {len(one.tools[0]["parameters"]["required"]) for one in batch} == {4} and batch[:4] == growth.cases(
        "batch", 4, pair.processor
    )
    assert growth.cases("tools", 8, pair.processor) == growth.cases("tools", 8, pair.processor)
    assert growth.cases("tools", 8, pair.processor, seed=1) != growth.cases("tools", 8, pair.processor)


@pytest.mark.parametrize(
    "axis, x, message",
    [
        ("depth", 1, "axis 'depth' is unknown; it must be one of arguments, calls, tools, prompt, batch"),
        ("arguments", 33, "at most 32 arguments"),
        ("calls", 13, "at most 12 calls"),
        ("tools", 66, "at most 65 tools"),
        ("prompt", 8, "no prompt has 8 tokens"),
    ],
)
def test_points_that_are_not_there_are_named(axis, x, message, pair):
    with pytest.raises(ValueError, match=message):
        growth.cases(axis, x, pair.processor)


def test_growth_counts_every_system_at_every_point(untrained, tmp_path):
    journal, peer = results.Journal(tmp_path / "growth.json", {}), Fake(fails_at=2)
    model, processor = untrained.model, untrained.processor
    found = growth.growth(model, processor, journal, peers={"fake": peer}, repeats=2, axes=SMALL)
    assert model.config.trained == [] and found["untrained_heads"] == ["router", "diffusion"]
    assert list(found["axes"]) == list(SMALL)
    for axis, lines in found["axes"].items():
        assert lines["x"] == list(SMALL[axis]) and all(lines["prompt_tokens"])
        assert list(lines["systems"]) == ["autoregressive", "diffusion", "verified"] + ["fake"] * (axis != "batch")
        for name, line in lines["systems"].items():
            assert {len(values) for values in line.values()} == {len(lines["x"])}
            if name != "fake":
                assert line["errors"] == [None] * len(lines["x"]) and min(line["valid"]) == 1
                assert min(line["ms"]) > 0 and min(line["base_passes"]) > 1 and min(line["tokens"]) > 1
                assert (max(line["head_passes"]) > 0) == (name != "autoregressive")
    calls = found["axes"]["calls"]["systems"]
    assert calls["fake"]["errors"] == [None, "OverflowError: too many"] and calls["fake"]["ms"][1] is None
    assert calls["fake"]["base_passes"] == [5, None] and calls["fake"]["tokens"] == [7, None]
    assert peer.asked.count((found["axes"]["calls"]["prompt_tokens"][1], 1, (2, 2))) == 1  # not tried again
    assert calls["autoregressive"]["tokens"][1] > calls["autoregressive"]["tokens"][0]
    assert calls["diffusion"]["base_passes"][0] == calls["diffusion"]["base_passes"][1]
    batch = found["axes"]["batch"]["systems"]["diffusion"]
    assert batch["base_passes"][0] == batch["base_passes"][1] and batch["tokens"][1] > batch["tokens"][0]
    json.dumps(found)


def test_growth_goes_on_where_it_was_killed(untrained, tmp_path):
    model, processor, axes = untrained.model, untrained.processor, {"arguments": (1, 2)}

    def grow(peer):
        journal = results.Journal(tmp_path / "growth.json", {})
        return growth.growth(model, processor, journal, fillers=[], peers={"fake": peer}, repeats=3, axes=axes)

    whole = grow(Fake())
    journal = tmp_path / "growth.rows.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    assert len(lines) == 1 + 2 * 3
    journal.write_text("".join(lines[:5]) + lines[5][:20])  # one run of x = 2 is there, one is cut off
    peer = Fake()
    grow(peer)
    assert len(peer.asked) == 1 + 2  # one to warm up, two that were missing
    assert journal.read_text().splitlines(keepends=True)[:5] == lines[:5]
    again = Fake()
    assert grow(again)["axes"]["arguments"]["x"] == whole["axes"]["arguments"]["x"] and not again.asked


def test_an_unknown_filler_is_named_before_anything_runs(untrained, tmp_path):
    journal = results.Journal(tmp_path / "growth.json", {})
    with pytest.raises(RequestError, match="filler 'guessing' is unknown"):
        growth.growth(untrained.model, untrained.processor, journal, fillers=["guessing"])
    with pytest.raises(RequestError, match="filler 'guessing' is unknown"):
        modes.modes(untrained.model, untrained.processor, ["Hello"], [CITY], fillers=["guessing"])


def test_growth_through_the_command(untrained, tmp_path, monkeypatch, capsys):
    untrained.model.save_pretrained(tmp_path / "tiny", include_base=True)
    untrained.processor.save_pretrained(tmp_path / "tiny")
    monkeypatch.setattr(growth, "AXES", {"calls": (1, 2), "batch": (1,)})
    words = ["--growth", "calls", "--checkpoint", str(tmp_path / "tiny"), "--repeats", "1", "--device", "cpu"]
    out = tmp_path / "growth.json"
    assert run(*words, "--filler", "diffusion", "--steps", "1", "--out", str(out)) == 0
    found = results.read(out, "latency")
    assert found["settings"]["model"] == "tiny" and found["settings"]["steps"] == 1
    assert list(found["data"]["axes"]) == ["calls"]
    assert found["data"]["axes"]["calls"]["systems"]["diffusion"]["valid"] == [1, 1]
    assert len(list(results.read_rows(out))) == 2
    assert "diffusion" in capsys.readouterr().out


# ---------------------------------------------------------------------------------------------------- peers


def test_the_race_through_the_command_names_who_is_missing(untrained, tmp_path, monkeypatch, capsys):
    untrained.model.save_pretrained(tmp_path / "tiny", include_base=True)
    untrained.processor.save_pretrained(tmp_path / "tiny")
    row = bfcl.Row("r", "simple_python", [{"role": "user", "content": "Weather in Rome?"}], [CITY], [CITY], [])
    peer = Fake()
    peer.package, peer.version = "pytest", "1.0"
    peer.call = lambda prompt, tools, **how: PeerAnswer([("get_weather", {"city": "Rome"})], "", 7, 5, True)
    monkeypatch.setattr(bfcl, "load", lambda categories, limit, seed: [row])
    monkeypatch.setattr(bfcl, "version", lambda: "0")
    monkeypatch.setattr(bfcl, "score", lambda row, calls: SimpleNamespace(valid=calls[0][1] == {"city": "Rome"}))
    monkeypatch.setattr(peers, "open_peers", lambda names, *_: ({"fake": peer}, {"outlines": "not installed"}))
    out = tmp_path / "peers.json"
    words = ["--peers", "--filler", "diffusion", "--checkpoint", str(tmp_path / "tiny"), "--out", str(out)]
    assert run(*words) == 0
    found = results.read(out, "latency")
    assert found["settings"]["filler"] == "diffusion" and found["settings"]["rows"] == 1
    assert found["data"]["missing"] == {"outlines": "not installed"}
    assert found["data"]["systems"]["fake"]["accuracy"] == 1 and found["data"]["systems"]["fake"]["version"] == "1.0"
    assert [record["id"] for record in results.read_rows(out)] == ["r"]
    assert "missing     outlines: not installed" in capsys.readouterr().out
    again = run(*words)
    assert again == 0 and results.read(out)["data"]["systems"] == found["data"]["systems"]  # nothing measured twice
