"""The controlled runs: what is changed, that nothing else is, and that a run goes on after a kill."""

import json
from argparse import ArgumentParser, Namespace
from itertools import islice
from pathlib import Path

import pytest
import torch
from conftest import WEATHER, make_pair

from lafunc.adapters_lafunc import _THREAD, adapter_weights, bare
from lafunc.data.rows import make_row
from lafunc.denoising_lafunc import Canvas
from lafunc.diffusion_lafunc import NULL
from lafunc.evaluation import ablations, results
from lafunc.evaluation.ablations import VARIANTS, Bench, Variant
from lafunc.evaluation.bfcl import EvaluationError
from lafunc.language_lafunc import accepts

TOOL = WEATHER["function"]


def rows(path: Path, seed: int) -> Path:
    cities = ["Tokyo", "Paris", "Rome", "Oslo", "Lima"]
    lines = []
    for n in range(10):
        city = cities[(n + seed) % len(cities)]
        message = [{"role": "user", "content": f"Weather in {city}, request {seed + n}"}]
        if n % 2:
            lines.append(make_row(message, [TOOL], "test", [("get_weather", {"location": city})]))
        else:
            lines.append(make_row(message, [TOOL] if n % 4 else [], "test"))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    pair, path = make_pair("llama"), tmp_path_factory.mktemp("ablations")
    pair.model.base.save_pretrained(path / "base")
    pair.processor.tokenizer.save_pretrained(path / "base")
    rows(path / "train.jsonl", 0)
    rows(path / "dev.jsonl", 100)
    return path


@pytest.fixture
def options(folder, tmp_path, monkeypatch) -> Namespace:
    monkeypatch.setattr(ablations, "LONGEST", 4000)
    parser = ArgumentParser()
    ablations.add_arguments(parser)
    asked = [
        "--train",
        str(folder / "train.jsonl"),
        "--rows",
        str(folder / "dev.jsonl"),
        "--base",
        str(folder / "base"),
    ]
    asked += ["--count", "4", "--held-out", "2", "--batch", "2", "--steps", "2", "--out", str(tmp_path / "a.json")]
    options = parser.parse_args(asked)
    options.arguments = ["eval", "ablations", *asked]
    return options


def test_every_variant_is_measured_once(options, monkeypatch, capsys):
    chosen = (VARIANTS[0], *(v for v in VARIANTS if v.without == ("kind.weight",) or v.distilled))
    monkeypatch.setattr(ablations, "VARIANTS", chosen)
    trained = []
    train = Bench.trained
    monkeypatch.setattr(Bench, "trained", lambda self, variant: trained.append(variant.name) or train(self, variant))

    def killed(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(Bench, "decide", killed)
    with pytest.raises(KeyboardInterrupt):
        ablations.run(options)
    assert trained == [variant.name for variant in chosen]
    monkeypatch.undo()
    monkeypatch.setattr(ablations, "VARIANTS", chosen)
    monkeypatch.setattr(ablations, "LONGEST", 4000)
    monkeypatch.setattr(Bench, "trained", None)  # nothing is trained again
    assert ablations.run(options) == 0
    found = results.read(options.out, "ablations")["data"]
    names = [row["name"] for row in found["variants"]]
    assert len(names) == len(set(names)) == 3 + 8 + 1  # the first one by steps and schedule too, and without languages
    bound = [row["invalid"] for row in found["variants"] if "languages not in decoding" not in row["name"]]
    assert not any(bound)
    assert all(row["slots"] == 2 and 0 <= row["right"] <= 2 for row in found["variants"])
    with_negatives, without = (found["router"][name] for name in ("with negatives", "without negatives"))
    assert with_negatives["rows"] > without["rows"] and with_negatives["due"] == 2
    assert "no type of the slot" in capsys.readouterr().out


def test_a_variant_changes_one_thing(options):
    bench = Bench(options)
    whole = bench.trained(Variant("whole")).head
    assert whole.kind.weight.abs().sum() > 0 and whole.prior != 1
    again = bench.trained(Variant("again")).head
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))
    without = bench.trained(Variant("without", without=("kind.weight", "prior"))).head
    assert without.kind.weight.abs().sum() == 0 and without.prior == 0
    closed = bench.trained(Variant("closed", closed=(1, 2))).head
    inputs = bench._inputs(bench.train[:1], [bench.train[0].target])
    embeddings = torch.zeros(1, inputs["mask"].shape[1], bench.base.config.hidden_size)
    gates = closed(embeddings=embeddings, level=torch.tensor([4]), **inputs).gates.exp()
    assert gates[..., 1:3].max() == 0 and torch.allclose(gates.sum(-1), torch.ones_like(gates[..., 0]))


@pytest.mark.parametrize("adapters", ["written", "prompt"])
def test_adapters_learn_beside_the_head_and_the_base_stays(options, adapters):
    bench = Bench(options)
    trained = bench.trained(Variant("adapters", noise="complementary", adapters=adapters))
    own, before = adapter_weights(trained.base), dict(bench.base.named_parameters())
    assert own and not adapter_weights(bench.base)
    assert any(weight.abs().sum() > 0 for name, weight in trained.base.named_parameters() if ".lora_B." in name)
    for name, weight in bare(dict(trained.base.named_parameters())).items():
        assert torch.equal(weight, before[name])
    read = []
    trained.base.get_decoder().register_forward_pre_hook(lambda *_: read.append(getattr(_THREAD, "adapted", False)))
    for steps in (2, 0):
        read.clear()
        assert bench.fill(trained, steps, "confidence")["slots"] == 2
        assert read.count(False) == (0 if adapters == "prompt" else 2) and read.count(True) >= 2  # of two prompts


def test_some_variants_alone_can_be_measured(options, capsys):
    options.only = ["complementary masks"]
    assert ablations.run(options) == 0
    found = results.read(options.out, "ablations")["data"]
    assert [row["name"] for row in found["variants"]] == [*options.only, "complementary masks, from left to right"]
    assert found["router"] == {} and "router" not in capsys.readouterr().out
    options.only = ["no type of the slot"]  # beside what is measured already
    assert ablations.run(options) == 0
    assert len(results.read(options.out, "ablations")["data"]["variants"]) == 3
    options.only = ["nothing"]
    with pytest.raises(EvaluationError, match="--only: there is no variant 'nothing'; there are 'as it is'"):
        ablations.run(options)


def test_a_missing_file_is_named(options):
    options.rows = Path("nowhere.jsonl")
    with pytest.raises(EvaluationError, match="nowhere.jsonl is not there"):
        ablations.run(options)


def test_without_languages_a_slot_holds_its_likeliest_tokens(options):
    """The letters that no integer has are noted; what is filled is a string of the language all the same."""
    bench = Bench(options)
    row, head = bench.held_out[0], bench.trained(Variant("head")).head
    denoiser = ablations.Unbound(head, row.reader, [row.scaffold], bench.model.config, "confidence", 1)
    denoiser.fill()
    canvas = Canvas(row.scaffold, row.scaffold.block())
    (letter,), null = bench.processor.vocabulary.encode("x"), len(bench.processor.vocabulary)
    log_probs = torch.full((len(canvas.positions), null + 1), -9.0)
    log_probs[:, letter], log_probs[2:, null] = 0.0, 1.0
    denoiser.likeliest.clear()
    filled = iter(denoiser._propose(canvas, log_probs))
    assert denoiser.likeliest.pop((0, "location"))[:2] == [letter] * 2  # the first slot; the others begin after it
    assert not any(denoiser.likeliest.values())
    one = canvas.block.spans[0]  # with the first slot filled the others' positions are still theirs
    canvas.tokens[one.start : one.start + one.budget] = [letter] + [NULL] * (one.budget - 1)
    log_probs[:, null], log_probs[one.budget :, null] = -9.0, 1.0
    denoiser.likeliest.clear()
    denoiser._propose(canvas, log_probs)
    assert denoiser.likeliest and not any(denoiser.likeliest.values())
    canvas = Canvas(row.scaffold, row.scaffold.block())
    for span in canvas.block.spans:
        value = [token for token in islice(filled, span.budget) if token != NULL]
        assert accepts(span.slot.language, value) or span.slot.optional and not value
