"""Retention: a LaFuNC that is its base is found equal, and every departure is found."""

import copy
import json

import pytest
import torch
from conftest import Pair, make_base, make_pair, make_tokenizer

from lafunc import LaFuncModel, LaFuncProcessor
from lafunc.__main__ import main
from lafunc.evaluation import results
from lafunc.evaluation.retention import Question, load_questions, retention, weights_hash

QUESTIONS = [
    Question("talk", 7, ["Hello, who are you?", "And how do you know?"]),
    Question("sums", 3, ["What is 12 and 30?"]),
]
PLAIN_TEMPLATE = (
    "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)


def fresh(family: str = "smollm3") -> tuple[Pair, object, object]:
    """LaFuNC, its base loaded a second time, and the base's tokenizer."""
    tokenizer = make_tokenizer(family)
    if tokenizer.chat_template is None:
        tokenizer.chat_template = PLAIN_TEMPLATE
    pair = make_pair(family)
    pair.processor = LaFuncProcessor.from_base(tokenizer)
    return pair, make_base(family, len(tokenizer)), tokenizer


def compare(pair, base, tokenizer, folder, questions=QUESTIONS):
    journal = results.Journal(folder / "retention.json", {"seed": 0})
    return retention(pair.model, pair.processor, base, tokenizer, questions, 6, journal)


@pytest.mark.parametrize("family", ["smollm3", "llama", "gemma3"])
def test_a_model_equals_its_base(family, tmp_path):
    pair, base, tokenizer = fresh(family)
    found = compare(pair, base, tokenizer, tmp_path)
    assert found["equal"] and found["different"] == [] and found["weights"]["equal"]
    assert found["thinks"] == (family == "smollm3")
    for name, turns in (("talk", 2), ("sums", 1)):
        for mode in ("chat", "think"):
            counts = found["sets"][name][mode]
            assert counts.pop("tokens") > 0
            assert counts == {"turns": turns, "prompt": turns, "logits": turns, "text": turns}
    assert found["tool_calls"] == 2


def test_the_second_turn_continues_with_the_first_answer(tmp_path, monkeypatch):
    pair, base, tokenizer = fresh()
    asked = []
    original = LaFuncModel.generate_tool_call

    def note(self, messages, *args, **kwargs):
        asked.append((kwargs["mode"], copy.deepcopy(messages)))
        return original(self, messages, *args, **kwargs)

    monkeypatch.setattr(LaFuncModel, "generate_tool_call", note)
    compare(pair, base, tokenizer, tmp_path, QUESTIONS[:1])
    assert [mode for mode, _ in asked] == ["chat", "chat", "tool", "think", "think"]
    (row,) = results.read_rows(tmp_path / "retention.json")
    assert asked[1][1][1] == {"role": "assistant", "content": row["chat"][0]["base"]}
    assert asked[4][1][1] == {"role": "assistant", "content": row["think"][0]["base"]}


def test_one_weight_changed_by_the_least_there_is_is_found(tmp_path):
    pair, base, tokenizer = fresh()
    weight = pair.model.base.get_input_embeddings().weight
    at = tokenizer.convert_tokens_to_ids("<|im_start|>")  # read in every prompt
    weight.data[at, 0] = torch.nextafter(weight.data[at, 0], torch.tensor(torch.inf))
    assert weights_hash(pair.model.base) != weights_hash(base)
    found = compare(pair, base, tokenizer, tmp_path)
    assert not found["equal"] and not found["weights"]["equal"]
    assert found["sets"]["talk"]["chat"]["logits"] == 0
    assert {(row["set"], row["mode"], row["turn"]) for row in found["different"]} >= {("sums", "think", 1)}


def test_a_tool_call_that_changes_the_base_is_found(tmp_path, monkeypatch):
    pair, base, tokenizer = fresh()
    original = LaFuncModel.generate_tool_call

    def damage(self, messages, *args, **kwargs):
        if kwargs["mode"] == "tool":
            self.base.get_input_embeddings().weight.data.mul_(1.5)
        return original(self, messages, *args, **kwargs)

    monkeypatch.setattr(LaFuncModel, "generate_tool_call", damage)
    found = compare(pair, base, tokenizer, tmp_path, QUESTIONS[:1])
    assert not found["equal"] and not found["weights"]["equal"]
    assert found["weights"]["before"]["lafunc"] == found["weights"]["after"]["base"]
    assert found["sets"]["talk"]["chat"]["logits"] == 2 and found["sets"]["talk"]["think"]["logits"] == 0


def test_another_prompt_is_a_finding_of_its_own(tmp_path):
    pair, base, tokenizer = fresh()
    pair.processor.tokenizer.chat_template = tokenizer.chat_template.replace("Reasoning Mode", "Mode")
    pair.processor.chat_template = pair.processor.tokenizer.chat_template
    found = compare(pair, base, tokenizer, tmp_path)
    assert not found["equal"] and found["weights"]["equal"]
    counts = found["sets"]["talk"]["chat"]
    assert (counts["prompt"], counts["logits"], counts["text"]) == (0, 2, 2)
    prompts = found["different"][0]["prompts"]
    assert "Reasoning Mode" in prompts["base"] and "Reasoning Mode" not in prompts["lafunc"]


def test_another_text_is_found(tmp_path, monkeypatch):
    pair, base, tokenizer = fresh()
    original = LaFuncModel._chat
    monkeypatch.setattr(LaFuncModel, "_chat", lambda self, *args: original(self, *args) + " ")
    found = compare(pair, base, tokenizer, tmp_path)
    assert not found["equal"]
    assert [row["lafunc"] for row in found["different"]] == [row["base"] + " " for row in found["different"]]
    assert found["sets"]["sums"]["think"]["text"] == 0 and found["sets"]["sums"]["think"]["logits"] == 1


def test_a_killed_run_goes_on_and_finds_the_same(tmp_path):
    pair, base, tokenizer = fresh()
    whole = compare(pair, base, tokenizer, tmp_path)
    journal = tmp_path / "retention.rows.jsonl"
    lines = journal.read_bytes()
    journal.write_bytes(lines[: lines.rindex(b"{") + 20])  # the last row is cut off
    assert compare(pair, base, tokenizer, tmp_path) == whole
    assert journal.read_bytes() == lines


def test_what_is_in_the_journal_is_not_made_again(tmp_path, monkeypatch):
    pair, base, tokenizer = fresh()
    whole = compare(pair, base, tokenizer, tmp_path)
    monkeypatch.setattr(LaFuncModel, "generate_tool_call", None)
    assert compare(pair, base, tokenizer, tmp_path) == whole


def test_a_base_without_a_chat_template_is_refused(tmp_path):
    pair, base, tokenizer = fresh()
    tokenizer.chat_template = None
    with pytest.raises(ValueError, match="no chat template"):
        compare(pair, base, tokenizer, tmp_path)


def test_questions_are_those_that_their_readme_names():
    questions = load_questions()
    mt_bench = [question for question in questions if question.set == "mt_bench"]
    gsm8k = [question for question in questions if question.set == "gsm8k"]
    assert len(mt_bench) == 80 and len(gsm8k) == 40 and len(questions) == 120
    assert [question.id for question in mt_bench] == list(range(81, 161))
    assert all(len(question.turns) == 2 for question in mt_bench)
    assert all(len(question.turns) == 1 and question.turns[0] for question in gsm8k)
    assert [question.id for question in load_questions(1)] == [81, gsm8k[0].id]
    with pytest.raises(ValueError, match="limit must be at least 1"):
        load_questions(0)


def test_the_command(tmp_path, capsys):
    pair, base, tokenizer = fresh()
    base.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    checkpoint, out = tmp_path / "checkpoint", tmp_path / "out" / "retention.json"
    LaFuncModel.from_base(str(tmp_path / "base")).save_pretrained(checkpoint)
    pair.processor.save_pretrained(checkpoint)
    command = ["eval", "retention", "--checkpoint", str(checkpoint), "--limit", "1", "--max-new-tokens", "4"]
    command += ["--out", str(out)]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "| mt_bench | chat | 2 |" in shown and "all equal" in shown
    document = results.read(out, "retention")
    assert document["data"]["equal"] and document["settings"]["weights"] == weights_hash(base)

    rows = list(results.read_rows(out))
    rows[0]["chat"][1] |= {"lafunc": "something else", "text_equal": False}
    header = {"format": results.FORMAT, "settings": document["settings"]}
    lines = "".join(json.dumps(row) + "\n" for row in (header, *rows))
    out.with_suffix(".rows.jsonl").write_text(lines)
    assert main(command) == 1
    assert "NOT equal: 1 turns differ" in capsys.readouterr().out

    pair.model.save_pretrained(checkpoint, include_base=True)  # a base that came from nowhere
    assert main(command) == 2
    assert "does not say where its base comes from" in capsys.readouterr().err
