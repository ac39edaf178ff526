"""What prompts begin with is read once, and nothing else changes."""

import torch

from lafunc.evaluation.accuracy import measure
from lafunc.evaluation.bfcl import Row
from lafunc.evaluation.results import Journal
from lafunc.evaluation.systems import Beginnings, answers, systems
from lafunc.filling_lafunc import Reader, slides
from lafunc.output_lafunc import Stats

TOOL = {
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"days": {"type": "integer"}}, "required": ["days"]},
}
OTHER = {**TOOL, "name": "get_tides"}


def row(id, words, tool=TOOL):
    return Row(id, "irrelevance", [{"role": "user", "content": words}], [tool], [], [])


@torch.no_grad()
def test_prompts_read_from_their_beginning_have_the_same_states(any_pair):
    base = any_pair.model.base
    start, rests = list(range(5, 25)), ([30, 31, 32], [40, 41, 42])
    prompts = [start + rest for rest in rests]
    beginning = Reader(base, [start], Stats())
    whole = Reader(base, prompts, Stats())
    stats = Stats()
    for _ in range(2):  # the beginning is not used up
        parts = Reader(base, prompts, stats, beginning)
        torch.testing.assert_close(parts.prompt, whole.prompt, atol=1e-4, rtol=1e-4)
        assert parts.prompt_mask.all() and parts.lengths == [23, 23]
        mark = parts.mark()
        after = parts.read([[7, 8], [9]])
        parts.rewind(mark)
        torch.testing.assert_close(parts.read([[7, 8], [9]]), after)
    torch.testing.assert_close(after[:, 0], whole.read([[7, 8], [9]])[:, 0], atol=1e-4, rtol=1e-4)
    assert stats.base_tokens == 2 * (6 + 3 + 3) and stats.prompt_tokens == 2 * 46


@torch.no_grad()
def test_what_a_reader_has_begun_others_go_on_with(any_pair):
    base = any_pair.model.base
    rows = [[5, 6, 7], list(range(5, 25))]
    whole = Reader(base, rows, Stats())
    whole.open([[8], [9, 10]])
    prompts = [[*range(5, 20), 40, 41], [*range(5, 20), 42]]
    beginning = whole.begun(1, 15)
    if slides(whole.cache):
        assert beginning is None
        return
    parts, alone = Reader(base, prompts, Stats(), beginning), Reader(base, prompts, Stats())
    assert [state[mask].shape for state, mask in zip(parts.prompt, parts.prompt_mask, strict=True)] == [
        state[mask].shape for state, mask in zip(alone.prompt, alone.prompt_mask, strict=True)
    ]
    for n in range(2):
        torch.testing.assert_close(
            parts.prompt[n][parts.prompt_mask[n]], alone.prompt[n][alone.prompt_mask[n]], atol=1e-4, rtol=1e-4
        )
    torch.testing.assert_close(parts.read([[7], [7]]), alone.read([[7], [7]]), atol=1e-4, rtol=1e-4)
    again = Reader(base, rows, Stats())
    again.open([[8], [9, 10]])
    torch.testing.assert_close(whole.read([[7], [7]]), again.read([[7], [7]]))  # it stands where it stood


def test_an_answer_is_the_same_with_a_beginning_and_costs_the_same(any_pair):
    chosen = systems(["autoregressive", "diffusion"], [2], ["confidence"])
    beginnings = Beginnings(any_pair.model, any_pair.processor)
    for one in (row("a", "Is it fine for 3 days?"), row("b", "And 12 days, in Paris?"), row("c", "Tides?", OTHER)):
        alone = dict(answers(any_pair.model, any_pair.processor, one, chosen))
        shared = dict(answers(any_pair.model, any_pair.processor, one, chosen, beginnings=beginnings))
        for system, answer in alone.items():
            assert shared[system].error is None and shared[system].calls == answer.calls
            assert (shared[system].saved > 0) == (one.id == "b") and shared[system].saved < shared[system].seconds
            for name in ("base_passes", "base_tokens", "prompt_tokens"):
                assert shared[system].stats[name] == answer.stats[name]


def test_rows_with_the_same_tools_read_them_once(pair, tmp_path, monkeypatch):
    read = []
    of = Beginnings.of
    monkeypatch.setattr(Beginnings, "of", lambda self, *row: read.append(of(self, *row)[0]) or of(self, *row))
    rows = [row("a", "3 days"), row("b", "4 days", OTHER), row("c", "5 days"), row("d", "6 days", OTHER)]
    chosen = systems(["autoregressive"], [1], ["confidence"])
    journal = Journal(tmp_path / "x.json", {})
    measure(pair.model, pair.processor, rows, chosen, journal)
    assert [record["id"] for record in journal.rows] == ["a", "c", "b", "d"]
    assert read[0] is read[1] is not read[2] is read[3] and read[0] is not None


def test_a_prompt_that_begins_otherwise_is_read_whole(pair):
    """A template that puts the tools after the user's words has nothing to share but its first tokens."""
    beginnings = Beginnings(pair.model, pair.processor)
    one = row("a", "3 days")
    request = type("Request", (), {"prompt": [9, 9, 9], "mode": "tool"})
    assert beginnings.of(request, one) == (None, 0.0, False)
