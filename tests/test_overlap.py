"""The leak check: what meets a query of the evaluation, what does not, and what files are read how."""

import gzip
import json
from dataclasses import dataclass, field

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lafunc.__main__ import main
from lafunc.evaluation import bfcl, results
from lafunc.evaluation.overlap import Index, find_files, read_rows, texts, words

LONG = "Could you tell me the current weather conditions in Boston, MA, using metric units?"  # 14 words, 7 8-grams
RADIUM = "Who discovered radium?"
ALARM = "Set an alarm for 11 PM"


@dataclass
class Row:
    id: str
    messages: list[dict] = field(default_factory=list)


def index(*queries: str, threshold: float = 0.5) -> Index:
    rows = [Row(f"row_{at}", [{"role": "user", "content": query}]) for at, query in enumerate(queries)]
    return Index(rows, threshold)


def kinds(text: str, *queries: str, threshold: float = 0.5) -> list[str]:
    return [hit.kind for hit in index(*queries, threshold=threshold).hits(text)]


# ------------------------------------------------------------------------------------------ texts


@pytest.mark.parametrize(
    "text, expected",
    [
        ("What's  the\n\tweather, in Paris?!", "whats the weather in paris"),
        ("What\u2019s on?", "whats on"),
        ("ＦＵＬＬ ﬁne snake_case", "full fine snake case"),
        (r"a question\nOptions:\n- yes", "a question options yes"),
        ("北京的天气 is 5°C", "北 京 的 天 气 is 5 c"),
        ("?!", ""),
    ],
)
def test_words(text, expected):
    assert words(text) == expected.split()


def test_every_string_of_a_row_is_a_text_and_pieces_are_joined():
    row = {"data": [{"text": "Play "}, {"text": "Baby Shark", "entity": "song"}], "n": 1, "deep": {"er": ["x", None]}}
    assert list(texts(row)) == ["Play ", "Baby Shark", "song", "Play Baby Shark", "x"]
    assert list(texts("a row may be a string")) == ["a row may be a string"]
    assert list(texts(None)) == []


# ------------------------------------------------------------------------------------------ what is met


@pytest.mark.parametrize(
    "text", ["who discovered RADIUM", "  Who -- discovered: radium?!\n", "Who discovered 'radium'?"]
)
def test_an_exact_match_despite_case_and_punctuation(text):
    (hit,) = index(RADIUM, LONG).hits(text)
    assert (hit.kind, hit.containment, hit.query.ids, hit.short) == ("exact", 1.0, ["row_0"], False)


def test_a_short_query_is_marked_and_not_looked_for_inside_texts():
    (hit,) = index("Drink!").hits("drink")
    assert hit.kind == "exact" and hit.short
    assert kinds("something to drink", "drink") == []
    assert kinds("tell me who discovered radium", RADIUM) == []


def test_a_phrase_of_five_words_is_found_inside_a_text():
    assert kinds("Please set an alarm for 11 pm, and another one", ALARM) == ["phrase"]
    assert kinds("set an alarm for 11 pm, set an alarm for 11 pm", ALARM) == ["phrase"]
    assert kinds("set an alarm for 11 AM", ALARM) == []
    assert kinds("reset an alarm for 11 pm", ALARM) == []


def test_containment_counts_at_the_threshold_and_not_below():
    text = "Could you tell me the current weather conditions in Boston? Thanks for that, and goodbye to you"
    (hit,) = index(LONG, threshold=3 / 7).hits(text)  # 3 of the query's 7 8-grams
    assert (hit.kind, hit.at) == ("containment", 0) and hit.containment == pytest.approx(3 / 7)
    assert kinds(text, LONG, threshold=3 / 7 + 1e-9) == []


def test_a_text_inside_a_long_query_is_found():
    (hit,) = index("I am bored. " * 20 + LONG).hits("the current weather conditions in Boston, MA, using metric")
    assert hit.kind == "containment" and hit.containment == 1.0


def test_no_hit_on_unrelated_texts():
    for text in ("", "?", "hello", "Who discovered penicillin?", "It was a bright cold day in April. " * 30):
        assert kinds(text, RADIUM, ALARM, LONG) == []


def test_one_query_in_several_rows_is_one_hit_and_only_users_ask():
    rows = [Row("a", [{"role": "user", "content": RADIUM}]), Row("b", [{"role": "user", "content": RADIUM.upper()}])]
    rows.append(Row("c", [{"role": "system", "content": "You are a helpful assistant"}]))
    (hit,) = Index(rows).hits(RADIUM)
    assert hit.query.ids == ["a", "b"]
    assert Index(rows).hits("You are a helpful assistant") == []


def test_a_threshold_outside_its_range_is_refused():
    for threshold in (0, -1, 1.01):
        with pytest.raises(ValueError, match="above 0 and at most 1"):
            Index([], threshold)


WORDS = st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=5), min_size=8, max_size=20)
SEPARATORS = st.sampled_from([" ", "\n", ", ", " -- ", "?! ", "\u2028"])


@settings(deadline=None)
@given(WORDS, SEPARATORS, st.text(), st.text(), st.floats(0, 1, exclude_min=True))
def test_any_text_with_a_query_of_eight_words_in_it_is_hit(parts, separator, before, after, threshold):
    query = separator.join(parts)
    assume(len(words(query)) >= 8)
    (hit,) = index(query, threshold=threshold).hits(f"{before} {query} {after}")
    assert hit.containment == 1.0


@settings(deadline=None)
@given(
    st.lists(st.lists(st.sampled_from("ab"), min_size=3, max_size=14).map(tuple), min_size=1, max_size=3, unique=True),
    st.lists(st.sampled_from("ab"), max_size=24).map(tuple),
    st.sampled_from([0.1, 0.5, 1.0]),
)
def test_hits_are_those_of_the_definition(queries, text, threshold):
    def grams(of):
        return {of[at : at + 8] for at in range(len(of) - 7)}

    expected = {}
    for query in queries:
        least = min(len(grams(query)), len(grams(text)))
        containment = len(grams(query) & grams(text)) / least if least else 0
        inside = any(text[at : at + len(query)] == query for at in range(len(text)))
        if query == text:
            expected[query] = ("exact", 1.0)
        elif 5 <= len(query) < 8 and inside:
            expected[query] = ("phrase", 1.0)
        elif containment >= threshold:
            expected[query] = ("containment", containment)
    hits = index(*(" ".join(query) for query in queries), threshold=threshold).hits(" ".join(text))
    assert {hit.query.words: (hit.kind, hit.containment) for hit in hits} == expected
    assert len(hits) == len(expected)


# ------------------------------------------------------------------------------------------ files

ROWS = [{"query": "one\u2028line"}, {"query": RADIUM}]


def test_files_of_all_four_kinds_are_read(tmp_path):
    lines = "\n\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS).encode()  # and an empty line
    document = json.dumps(ROWS).encode()
    (tmp_path / "a.jsonl").write_bytes(lines)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "c.json").write_bytes(document)
    (tmp_path / "deeper" / "d.json.gz").write_bytes(gzip.compress(document))
    (tmp_path / "README.md").write_text("no rows")
    files = find_files([tmp_path, tmp_path / "a.jsonl"])
    assert [name for name, _ in files] == ["a.jsonl", "b.jsonl.gz", "deeper/c.json", "deeper/d.json.gz", "a.jsonl"]
    for name, path in files:
        assert list(read_rows(path)) == list(zip((1, 3) if "jsonl" in name else (1, 2), ROWS, strict=True))
    (tmp_path / "one.json").write_text('{"a": 1}')
    assert list(read_rows(tmp_path / "one.json")) == [(1, {"a": 1})]


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.jsonl", b'{"a": 1}\n{"a": ', r"a\.jsonl, line 2: not JSON"),
        ("a.jsonl.gz", gzip.compress(b"\n\nx", mtime=0), r"a\.jsonl\.gz, line 3: not JSON"),
        ("a.json", b"[1,\n2,\n}", r"a\.json, line 3: not JSON"),
        ("a.jsonl", b'1\n"\xff"', r"a\.jsonl, line 2: not UTF-8"),
        ("a.json", b'"\xff"', r"a\.json: not UTF-8"),
        ("a.jsonl.gz", b'{"a": 1}', r"a\.jsonl\.gz: damaged or not gzip"),
        ("a.json.gz", gzip.compress(b"1" * 99, mtime=0)[:-9], r"a\.json\.gz: damaged or not gzip"),
    ],
)
def test_bad_files_are_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        list(read_rows(tmp_path / name))


def test_bad_places_are_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere does not exist"):
        find_files([tmp_path / "nowhere"])
    with pytest.raises(ValueError, match=r"holds no \.jsonl"):
        find_files([tmp_path])
    (tmp_path / "rows.csv").write_text("a,b")
    with pytest.raises(ValueError, match=r"rows\.csv is none of \.jsonl"):
        find_files([tmp_path / "rows.csv"])


# ------------------------------------------------------------------------------------------ the command


def test_the_command_reports_each_row(tmp_path, monkeypatch, capsys):
    rows = [Row(f"row_{at}", [{"role": "user", "content": text}]) for at, text in enumerate((RADIUM, LONG, "hi"))]
    monkeypatch.setattr(bfcl, "load", lambda categories: rows)
    monkeypatch.setattr(bfcl, "version", lambda: "1")
    data = tmp_path / "data"
    (data / "set").mkdir(parents=True)
    train = [
        {"query": "Good morning to you"},
        {"messages": [{"role": "user", "content": "who discovered radium"}, {"role": "user", "content": RADIUM}]},
        {"prompt": f"{'Answer the question, please. ' * 20}\n{LONG}\n\ud800"},
        {"prompt": "hi"},
    ]
    (data / "set" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in train))
    out = tmp_path / "overlap.json"
    assert main(["eval", "overlap", "--train", str(data), "--out", str(out)]) == 0
    document = results.read(out, "overlap")
    assert document["settings"]["train"] == ["data"] and document["settings"]["threshold"] == 0.5
    found = document["data"]
    exact, containment = found["hits"]
    assert exact == {
        "file": "set/train.jsonl",
        "line": 2,
        "ids": ["row_0"],
        "kind": "exact",
        "containment": 1.0,
        "text": "who discovered radium",
        "query": RADIUM,
    }
    assert (containment["line"], containment["ids"], containment["kind"]) == (3, ["row_1"], "containment")
    assert containment["text"].startswith(
        "… could you tell me the current"
    )  # the place that is met, not the beginning
    assert found["files"] == [{"file": "set/train.jsonl", "rows": 4, "texts": 7, "hits": 2}]
    assert found["short"] == [{"query": "hi", "ids": ["row_2"], "files": {"set/train.jsonl": 1}}]
    assert found["totals"] == {
        "rows": 4, "texts": 7, "rows_hit": 2, "exact": 1, "phrase": 0, "containment": 1, "short": 1
    }  # fmt: skip
    assert found["evaluation"] == {"rows": 3, "queries": 3, "rows_met": 2}
    assert str(tmp_path) not in out.read_text()
    assert "2 of 4 training rows meet a query" in capsys.readouterr().out
