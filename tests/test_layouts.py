"""Layouts of dates and times: what descriptions ask for, and what was said, in that layout."""

import datetime
import re

import pytest
import torch
from conftest import FAMILIES, examples, make_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from lafunc.compiling_lafunc import compile_tool
from lafunc.copying_lafunc import Transcript, rewritten
from lafunc.filling_lafunc import Cursor
from lafunc.language_lafunc import accepts
from lafunc.layouts_lafunc import MONTHS, layouts
from lafunc.node_lafunc import continuations
from lafunc.scaffolding_lafunc import Scaffold
from lafunc.vocabulary_lafunc import Vocabulary


@pytest.fixture(scope="module", params=FAMILIES)
def vocabulary(request) -> Vocabulary:
    return Vocabulary(make_tokenizer(request.param))


@pytest.mark.parametrize(
    ("description", "texts"),
    [
        ("The day, in the format 'dd/mm/yyyy', such as '15/03/2024'. It must be after today.", ["dd/mm/yyyy"]),
        ("When it begins (YYYY-MM-DD HH:MM:SS)", ["YYYY-MM-DD HH:MM:SS"]),
        ("ISO-8601, e.g. 'YYYY-MM-DDTHH:MM:SS', without a time zone", ["YYYY-MM-DDTHH:MM:SS"]),
        ("as YYYY-MM-DD'T'HH:mm:ssZ", ["YYYY-MM-DD'T'HH:mm:ssZ"]),
        ("The time in 24-hour format HH:MM", ["HH:MM"]),
        ("MM/DD/YYYY or YYYY-MM-DD", ["MM/DD/YYYY", "YYYY-MM-DD"]),
        ("MMM DD, YYYY", ["MMM DD, YYYY"]),
        ("YYYYMMDD", ["YYYYMMDD"]),
        ("hh:mm am/pm", ["hh:mm am/pm"]),
        ("The card's month, MM/YY", ["MM/YY"]),
        ("YYYY-MM-DD. If left out, today or tomorrow", ["YYYY-MM-DD"]),
        ("YYYY-MM-DD or 'today'", []),
        ("in yyyy-mm-dd format, or a weekday", []),
        ("YYYY-MM-DD to YYYY-MM-DD", []),
        ("Size of voxels in mm, or mm/mm", []),
        ("Pace in mm/ss", []),
        ("The day, e.g., 2023-04-15", ["YYYY-MM-DD"]),
        ("The moment (such as '2023-04-15T10:00:00Z')", ["YYYY-MM-DDTHH:MM:SSZ"]),
        ("e.g. '2023-04-15 10:00' or '2023-04-15'", ["YYYY-MM-DD HH:MM", "YYYY-MM-DD"]),
        ("e.g. 2023-04-15 or tomorrow", []),
        ("e.g. 2023-04-15 to 2023-04-20", []),
        ("e.g. 2023-04-15T10:00+01:00", []),
        ("A title, e.g. 'Launch on 2023-04-15'", []),
        ("offset as +/- hhmm", []),
        ("MM-DD-YYY", []),
        ("HH:MM:SS.sss", []),
        ("The year, YYYY", []),
        ("add the address", []),
        ("", []),
    ],
)
def test_layouts_that_a_description_asks_for(description, texts):
    assert [layout.text for layout in layouts(description)] == texts


@pytest.mark.parametrize(
    ("said", "layout", "written"),
    [
        ("on the 5th of March 2024 at 5:30 pm", "YYYY-MM-DD HH:MM", ["2024-03-05 17:30"]),
        ("Tue, 25 Apr 2023", "dd/mm/yyyy", ["25/04/2023"]),
        ("2023.10.2", "YYYY-MM-DD", ["2023-10-02"]),
        ("20230930", "YYYY-MM-DD", ["2023-09-30"]),
        ("version 20239930", "YYYY-MM-DD", []),
        ("Sept 3rd, 2021 or Sep. 4, 2021", "dd/mm/yyyy", ["03/09/2021", "04/09/2021"]),
        ("12-Mar-2021", "MMM DD, YYYY", ["Mar 12, 2021"]),
        ("10/02/2023", "YYYY-MM-DD", ["2023-02-10", "2023-10-02"]),
        ("25/02/2023", "YYYY-MM-DD", ["2023-02-25"]),
        ("between Jan 5, 2022 and 7 Feb", "MM/DD/YYYY", ["01/05/2022", "02/07/2022"]),
        ("2024-05-06T10:20:30Z", "YYYY-MM-DDTHH:MM:SSZ", ["2024-05-06T10:20:30Z"]),
        ("May 6th 2024", "YYYY-MM-DDTHH:MM:SSZ", ["2024-05-06T00:00:00Z"]),
        ("at noon, 12 am or 9.", "HH:MM", ["12:00", "00:00"]),
        ("7 PM", "hh:mm am/pm", ["07:00 PM"]),
        ("7 people, 12.50 dollars, 1:2 odds, 25:00", "HH:MM", []),
        ("in May", "YYYY-MM-DD", []),
        ("3 June", "dd/mm", ["03/06"]),
    ],
)
def test_what_was_said_in_a_layout(said, layout, written):
    (asked,) = layouts(layout)
    assert asked.write([said]) == written
    assert all(re.fullmatch(asked.pattern, one) for one in written)


def test_a_day_without_a_year_may_be_of_any_or_of_one_that_was_said():
    (layout,) = layouts("YYYY-MM-DD")
    assert {"1999-03-09", "2031-03-09"} < set(layout.write(["March 9th"]))
    assert layout.write(["It is 2024.", "March 9th"]) == ["2024-03-09"]


DAYS = st.dates(datetime.date(1900, 1, 1), datetime.date(2099, 12, 31))
WAYS = [
    lambda day: f"{day:%Y-%m-%d}",
    lambda day: f"{day.year}/{day.month}/{day.day}",
    lambda day: f"{MONTHS[day.month - 1]} {day.day}, {day.year}",
    lambda day: f"the {day.day}th of {MONTHS[day.month - 1]} {day.year}",
    lambda day: f"{day.day} {MONTHS[day.month - 1][:3]} {day.year}",
]


@settings(**examples(100))
@given(day=DAYS, way=st.sampled_from(WAYS), other=st.sampled_from(WAYS), short=st.booleans())
def test_any_day_is_read_however_it_is_said(day, way, other, short):
    (asked,) = layouts("MM/DD/YY" if short else "YYYY-MM-DD")
    due = f"{day:%m/%d/%y}" if short else f"{day:%Y-%m-%d}"
    assert asked.write([f"Book it for {way(day)}, please"]) == [due]
    assert asked.write([way(day), other(day)]) == [due]  # once


@pytest.mark.parametrize(
    ("description", "allowed", "refused"),
    [
        (
            "In the format of 'City, State', such as 'Berkeley, CA' or 'New York, NY'.",
            ["Oslo, NO"],
            ["Oslo", "Reno, Nevada"],
        ),
        ("The city and state, e.g. San Francisco, CA", ["Oslo, NO"], ["Oslo", "Reno, Nevada"]),
        ("The place (city, country), such as 'Seoul, South Korea'", ["Oslo, Norway"], ["Oslo", "Oslo,NO", "Oslo, "]),
        ("in city,country format", ["Oslo,NO"], ["Oslo", "Oslo, a, b"]),
        ("'City, State' or 'City, Country'. The state has to be abbreviated", ["Reno, NV", "Oslo, Norway"], ["Oslo"]),
        ("'City, State' or 'City, Country', e.g. 'Reno, NV' or 'Oslo, NO'", ["Reno, NV"], ["Oslo, Norway", "Oslo"]),
        ("'City, State', or just 'City' where there is none", ["Oslo"], []),
        ("The city and state where it happens", ["Oslo"], []),
        ("The address with city, state and zip code", ["Oslo"], []),
        ("The city, such as 'Reno, NV'", ["Oslo"], []),
    ],
)
def test_places_as_a_description_asks_for_them(description, allowed, refused):
    asked = layouts(description)
    assert asked or not refused
    for text, fits in [*((text, True) for text in allowed), *((text, False) for text in refused)]:
        assert (not asked or any(re.fullmatch(one.pattern, text) for one in asked)) is fits, text
    assert not any(one.write(["from Reno, NV, on 3 May 2024"]) for one in asked)


def tool(vocabulary, **schema):
    parameters = {"type": "object", "properties": {"on": {"type": "string"} | schema}, "required": ["on"]}
    return compile_tool({"name": "book", "parameters": parameters}, vocabulary)


def allowed(tool, vocabulary, value):
    return accepts(tool.arguments(0).members[0].node.language, vocabulary.encode(f' "{value}'))


def test_a_layout_is_the_language_of_its_slot(vocabulary):
    found = tool(vocabulary, description="in the format YYYY-MM-DD")
    assert allowed(found, vocabulary, "2024-03-09")
    assert not allowed(found, vocabulary, "2024-3-9") and not allowed(found, vocabulary, "March 9")
    assert not allowed(found, vocabulary, "2024-13-09") and not allowed(found, vocabulary, "2024-03-092")
    assert [layout.text for layout in found.layouts] == ["YYYY-MM-DD"]
    assert [layout.text for layout in tool(vocabulary, format="date").layouts] == ["YYYY-MM-DD"]


@pytest.mark.parametrize(
    "schema",
    [
        {"default": "today"},  # beside the layout
        {"maxLength": 5},
        {"enum": ["today", "2024-01-01"]},
        {"pattern": "^today$"},
    ],
)
def test_what_the_schema_says_itself_comes_first(vocabulary, schema):
    value = "now" if "maxLength" in schema else "today"
    assert allowed(tool(vocabulary, description="YYYY-MM-DD", **schema), vocabulary, value)


def test_a_layout_and_a_length_go_together(vocabulary):
    assert allowed(tool(vocabulary, description="YYYY-MM-DD", maxLength=10), vocabulary, "2024-03-09")
    assert not allowed(tool(vocabulary, description="YYYY-MM-DD", maxLength=10), vocabulary, "today")


@pytest.mark.parametrize(
    ("description", "values", "others"),
    [
        ("Ticks. This is Java long type parameter in string representation.", ["58L", "-1L"], ["58", "5.0L", "07L"]),
        ("This is a Java float in string representation.", ["1f", "2.50f"], ["1", "f"]),
        ("(JavaScript Number, written as a string)", ["1", "2.5", "-1e-05"], ["NaN", "2.", "x"]),
        ("Pass a Java int literal as text.", ["12"], ["1.0", "twelve"]),
        ("As source text of a JavaScript Boolean.", ["true", "false"], ["True", "yes"]),
        ("A string that holds a Python bool.", ["True", "False"], ["true", "0"]),
    ],
)
def test_a_literal_of_a_language_is_the_language_of_its_slot(vocabulary, description, values, others):
    found = tool(vocabulary, description=description, default="as usual")
    language = found.arguments(0).members[0].node.language
    assert all(language.spell(f' "{value}'.encode(), vocabulary) for value in [*values, "as usual"])
    assert not any(language.spell(f' "{value}'.encode(), vocabulary) for value in others)


@pytest.mark.parametrize(
    "description",
    [
        "The Java long that is returned.",
        "The long story, as a string.",
        "A Java long or a string.",
        "Java String, written as a string",
        "Java code as a string",
        "This is Java ArrayList type parameter in string representation.",
    ],
)
def test_what_is_no_literal_is_any_string(description):
    assert layouts(description) == []


@pytest.mark.parametrize("kind", ["string", ["string", "null"]])
@pytest.mark.parametrize(
    ("words", "text", "value"),
    [
        ("in the format dd/mm/yyyy", "A table on the 25th of April, 2031", "25/04/2031"),
        ("as YYYY-MM-DD HH:MM", "on 4 May 2031, 17:30", "2031-05-04 17:30"),
        ("HH:MM", "On 4 May 2031 at 5 pm", "17:00"),
    ],
)
def test_a_day_that_was_said_is_written_in_the_layout(vocabulary, kind, words, text, value):
    """With logits that say nothing, but that there is a string."""
    found = tool(vocabulary, description=words, type=kind)
    scaffold = Scaffold([found], vocabulary)
    said = Transcript([text], vocabulary, rewritten([text], found.layouts))
    cursor = Cursor(vocabulary, list(continuations(scaffold.chain)), said=said, copy_weight=3.0)
    logits = torch.zeros(len(vocabulary))
    for opening in (b' "', b'"'):
        logits[sorted(vocabulary.starting_with(opening))] = 1.0
    while cursor.done is None:
        cursor.choose(logits)
    assert scaffold.arguments(cursor.values)[0] == {"on": value}


@pytest.mark.parametrize(
    ("schema", "begun", "value"),
    [
        ({"description": "City and state, e.g. 'Boston, MA'"}, "Denver", "Denver, [A-Z]{2}"),
        ({"description": "City, State"}, "Denver", "Denver, [^,]"),
        ({"description": "a Java long in string representation"}, "58", "58L"),
        ({"description": "in the format YYYY-MM-DD"}, "2024", "2024-[01][0-9]-[0-3][0-9]"),
        ({}, "Denver", "Denver"),
    ],
)
def test_a_value_that_may_not_end_where_the_base_would_end_it_goes_on_to_where_it_may(
    vocabulary, schema, begun, value
):
    """It does not wander on with what the base likes second best."""
    scaffold = Scaffold([tool(vocabulary, **schema)], vocabulary)
    cursor = Cursor(vocabulary, list(continuations(scaffold.chain)), max_slot_tokens=20)
    while cursor.done is None:
        logits = torch.zeros(len(vocabulary))
        for text, much in (("z", 2.0), ("/", 1.0)):
            logits[vocabulary.encode(text)] = much
        written = vocabulary.decode_bytes(cursor.tokens).decode().partition(' "')[2].rpartition('"')[2]
        if begun.startswith(written) and written != begun:
            logits[vocabulary.encode(begun[len(written)])] = 5.0
        elif written:
            logits[sorted(vocabulary.starting_with(b'"'))] = 3.0
        cursor.choose(logits)
    (found,) = scaffold.arguments(cursor.values)
    assert re.fullmatch(value, found["on"]) and not cursor.clipped


def test_where_no_day_was_said_all_that_was_said_counts(vocabulary):
    (layout,) = layouts("YYYY-MM-DD")
    said = Transcript(["in 2031, soon"], vocabulary)
    assert said.dated((layout,)) is said
    said = Transcript(["5 May 2031"], vocabulary)
    assert said.dated((layout,)).ahead(b"2031-05-05") == (frozenset(), True)
    assert not said.dated((layout,)).ahead(b"05")[0]  # as a whole only
