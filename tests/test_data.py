"""Training data: each set's format becomes rows, bad rows are counted, augmented rows stay good, mixtures repeat."""

import copy
import gzip
import json
import random
import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import datasets
import pytest
import yaml
from conftest import make_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from lafunc.__main__ import main
from lafunc.data import augment, hub, mixture, shared
from lafunc.data.dialects import arguments_of, as_said, coerce, number_of, parameters_of, stands_in, tool_of, type_of
from lafunc.data.hub import Draft
from lafunc.data.mixture import (
    Checker,
    Count,
    DataError,
    Evaluation,
    Mixture,
    Source,
    collect,
    mix,
    query_of,
    read_config,
)
from lafunc.data.rows import RowError, calls_of, check_row, make_row, prompt_of, read_rows
from lafunc.processing_lafunc import LaFuncProcessor

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="module")
def checker() -> Checker:
    return Checker(Mixture([], base=make_tokenizer("llama")))


def rows_of(drafts, source: str = "test") -> tuple[list[dict], Counter]:
    """(rows, reasons of what was left out)"""
    rows, reasons = [], Counter()
    for draft in drafts:
        try:
            if isinstance(draft, RowError):
                raise draft
            rows.append(make_row(draft.messages, draft.tools, source, draft.calls, draft.mode, draft.needs))
        except RowError as error:
            reasons[error.reason] += 1
    return rows, reasons


def reading(**files):
    """A `read` for files in memory: name without suffixes → rows."""

    def read(pattern: str):
        names = [name for name in files if Path(name).match(pattern.split(".")[0])]
        return [row for name in names for row in files[name]]

    return read


def from_hub(name: str) -> tuple[list[dict], Counter]:
    """What a fixture of a set of the Hub gives, read as a build reads it."""
    source = Source(name, name, "any", path=f"{name}.jsonl")
    return rows_of(mixture.convert(source, FIXTURES))


# ------------------------------------------------------------------------------------------ dialects


@pytest.mark.parametrize(
    "text, expected",
    [
        ("str", {"type": "string"}),
        ("int, optional", {"type": "integer"}),
        ("Optional[float]", {"type": "number"}),
        ("Union[int, str]", {"type": "integer"}),
        ("List[int]", {"type": "array", "items": {"type": "integer"}}),
        ("array of strings", {"type": "array", "items": {"type": "string"}}),
        ("Dict[str, int]", {"type": "object"}),
        ("bool", {"type": "boolean"}),
    ],
)
def test_types_of_python_become_types_of_json_schema(text, expected):
    assert type_of(text) == expected


def test_an_unknown_type_is_an_error():
    with pytest.raises(RowError, match="unknown type: Callable"):
        type_of("Callable[[int], int]")


def test_glitches_of_schemas_are_undone():
    given = {
        "type": "dict",
        "properties": {
            "slip_id": {"type": "string", "desciption": "The slip.", "required": True},
            "names": {"type": "list", "default": ""},
        },
        "required": None,
    }
    assert parameters_of(given) == {
        "type": "object",
        "properties": {
            "slip_id": {"type": "string", "description": "The slip."},
            "names": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["slip_id"],
    }
    assert tool_of("f", None, given["properties"], ["slip_id"])["parameters"]["required"] == ["slip_id"]
    with pytest.raises(RowError, match="a parameter has no schema: x"):
        parameters_of({"x": "a number"})


@pytest.mark.parametrize(
    "value, schema, expected",
    [
        ("5", {"type": "integer"}, 5),
        ("5.5", {"type": "integer"}, "5.5"),
        (5.0, {"type": "integer"}, 5),
        ("2.50", {"type": "number"}, 2.5),
        ("True", {"type": "boolean"}, True),
        (7, {"type": "string"}, "7"),
        ('["1", 2]', {"type": "array", "items": {"type": "integer"}}, [1, 2]),
        ("CELSIUS", {"type": "string", "enum": ["celsius"]}, "celsius"),
        ({"n": "1"}, {"type": "object", "properties": {"n": {"type": "integer"}}}, {"n": 1}),
        ("[broken", {"type": "array"}, "[broken"),
    ],
)
def test_values_take_the_type_of_their_schema_where_there_is_no_doubt(value, schema, expected):
    assert coerce(value, schema) == expected
    assert type(coerce(value, schema)) is type(expected)


def test_optional_arguments_that_say_nothing_are_absent():
    tool = tool_of("f", "", {"a": {"type": "str"}, "b": {"type": "str", "default": "x"}})
    assert arguments_of({"a": "None", "b": "None"}, tool) == {"a": "None"}


def test_what_a_text_says():
    text = "Wake Bob Ross at 3pm, for twenty five dollars and 1,000 cents"
    assert as_said("bob ross", text) == "Bob Ross"
    assert as_said("3 PM", text) == "3pm"
    assert as_said("Bob Rosso", text) is None
    assert stands_in(25, text) and stands_in(1000, text) and stands_in(["bob", 3], text)
    assert not stands_in(5.5, text) and not stands_in(True, text) and not stands_in(10, text)
    assert number_of("forty-two") == 42 and number_of("many") is None


# ------------------------------------------------------------------------------------------ sets of the Hub


def test_glaive():
    rows, reasons = from_hub("glaive")
    assert [row["mode"] for row in rows] == ["tool", "chat", "tool", "chat", "chat", "chat"]
    assert calls_of(rows[0]) == [("get_exchange_rate", {"base_currency": "USD", "target_currency": "EUR"})]
    assert [tool["name"] for tool in rows[0]["tools"]] == ["get_exchange_rate", "leave_note"]
    assert [message["role"] for message in rows[1]["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert calls_of(rows[2]) == [("leave_note", {"text": "it's John's turn", "copies": 2})]
    assert rows[4]["tools"] and not rows[5]["tools"]
    assert reasons == {"arguments: not JSON": 1, "tools: not JSON": 1}


def test_xlam():
    rows, reasons = from_hub("xlam")
    assert calls_of(rows[0]) == [("live_giveaways_by_type", {"type": kind}) for kind in ("beta", "game")]
    assert "required" not in rows[0]["tools"][0]["parameters"]
    assert calls_of(rows[1]) == [("is_prime", {"number": 97}), ("largest", {"numbers": [1, 9, 5, 7], "count": 3})]
    assert rows[1]["tools"][1]["parameters"]["required"] == ["numbers"]
    assert reasons == {
        "no tools": 1,
        "a call names no offered tool": 1,
        "unknown type": 1,
        "answers: not JSON": 1,
    }


def test_toolace():
    rows, reasons = from_hub("toolace")
    assert calls_of(rows[0]) == [
        ("Market Trends API", {"trend_type": "GAINERS", "limit": 5, "live": True}),
        ("stock.price", {"symbols": ["A(B)", "C"]}),
    ]
    assert [row["mode"] for row in rows] == ["tool", "chat", "tool", "chat"]
    assert calls_of(rows[2]) == [("Market Trends API", {"trend_type": "LOSERS"})]
    assert [message["role"] for message in prompt_of(rows[2])] == ["user", "assistant", "tool", "assistant", "user"]
    assert reasons == {"a call cannot be read": 1, "no tools": 1}


def test_hermes():
    rows, reasons = from_hub("hermes")
    assert calls_of(rows[0]) == [
        ("get_camera_live_feed", {"camera_id": "front_door", "stream_quality": "1080p"}),
        ("record", {"camera_id": "front_door", "minutes": 30}),
    ]
    assert [row["mode"] for row in rows] == ["tool", "tool", "chat"]
    assert rows[2]["messages"][2] == {"role": "tool", "content": '{"ok": true}'}
    assert reasons == {"a call cannot be read": 1}


def test_numbers_that_nobody_said_are_left_out_of_what_models_wrote():
    tool = tool_of("f", "", {"day": {"type": "str"}, "page": {"type": "int", "default": 1}, "live": {"type": "bool"}})
    said = {"day": "2024-05-12", "live": True}
    draft = Draft(hub.user("the 12th of May, please"), [tool], [("f", {**said, "page": 7})])
    made = hub.ground(draft)
    assert list(made.calls) == [("f", said)] and "page" not in made.tools[0]["parameters"]["properties"]
    assert hub.ground(draft._replace(calls=[("f", said)])).tools == [tool]
    with pytest.raises(RowError, match="a value is made up: f.day"):
        hub.ground(draft._replace(calls=[("f", {**said, "day": "2024-05-13"})]))
    both = [("f", {**said, "page": 12}), ("f", {**said, "page": 7})]
    with pytest.raises(RowError, match="a value is made up: one of several calls"):
        hub.ground(draft._replace(calls=both))


@pytest.mark.parametrize(
    "text, match",
    [
        ("[f(1)]", "a call cannot be read"),
        ("[g(a=1)]", "names no offered tool: g"),
        ("[f(**x)]", "a call cannot be read"),
        ("[f(a=open('x'))]", "no literal: a"),
    ],
)
def test_calls_that_are_no_literals_are_refused(text, match):
    with pytest.raises(RowError, match=match):
        hub.read_calls(text, ["f"])


# ------------------------------------------------------------------------------------------ sets given to us


def test_snips():
    read = reading(
        train_RateBook=[
            {
                "data": [
                    {"text": "give "},
                    {"text": "The Skystone", "entity": "object_name"},
                    {"text": " "},
                    {"text": "four", "entity": "rating_value"},
                    {"text": " out of "},
                    {"text": "6", "entity": "best_rating"},
                ]
            }
        ],
        train_GetWeather=[{"data": [{"text": "hot "}, {"text": "here", "entity": "current_location"}]}, {"date": 1}],
    )
    rows, reasons = rows_of(shared.snips(read))
    assert sorted(calls_of(row)[0] for row in rows) == [
        ("get_weather", {}),
        ("rate_book", {"title": "The Skystone", "rating": 4, "maximum": 6}),
    ]
    assert reasons == {"not of the set's format": 1}


def test_hwu64():
    chess = {"entity": "game_name", "value": "chess"}
    rows, reasons = rows_of(
        shared.hwu64(
            reading(
                train=[
                    {"text": "play chess", "intent": "play_game", "entities": [chess]},
                    {"text": "let us play", "intent": "play_game", "entities": []},
                    {"text": "sum of five and six", "intent": "qa_maths", "entities": []},
                    {"text": "that was helpful", "intent": "general_praise", "entities": []},
                    {"text": "stop", "intent": "general_commandstop", "entities": []},
                ]
            )
        )
    )
    assert [row["mode"] for row in rows] == ["tool", "tool", "think", "chat"]
    assert calls_of(rows[0]) == [("start_game", {"game": "chess"})] and rows[0]["needs"] == []
    assert rows[1]["needs"] == [[0, "game"]]
    assert reasons == {"neither chat nor one of the tools": 1}


def test_droidcall_leaves_out_what_the_model_made_up():
    row = {"query": "Wake me at 7:30 am", "intent": "ACTION_SET_ALARM", "id": 1}
    read = reading(
        machine_generated=[
            row | {"extras": {"EXTRA_HOUR": 7, "EXTRA_MINUTES": 30, "EXTRA_MESSAGE": "Gym", "EXTRA_RINGTONE": "None"}},
            row | {"extras": {"EXTRA_HOUR": 9, "EXTRA_MINUTES": 0}},
            row | {"id": 11, "query": "Add a contact", "extras": {"ContactsContract.Intents.Insert.NAME": "Jane"}},
            row | {"id": 99},
        ],
        seeds=[],
    )
    rows, reasons = rows_of(shared.droidcall(read))
    assert calls_of(rows[0]) == [("set_alarm", {"hour": 7, "minutes": 30})]
    alarm = next(tool for tool in rows[0]["tools"] if tool["name"] == "set_alarm")
    assert "message" not in alarm["parameters"]["properties"]
    assert calls_of(rows[1]) == [("insert_contact", {})] and rows[1]["needs"] == [[0, "name"]]
    assert reasons == {"the time is not in the query": 1, "not of the set's format": 1}


def test_rottuning_gets_types_from_values():
    system = 'tools:\n[{"name": "cat_facts", "description": "Facts.", "parameters": {"type": "object", "properties": '
    system += '{"limit": {"type": "string", "desciption": "How many."}, "id": {"type": "string"}}}, "required": []}, '
    system += '{"name": "finish", "description": "", "parameters": {}}]\n\nLet\'s Begin!\n'
    system = f"following {system}"

    def row(question, action, given):
        answer = f"Thought: so.\nAction: {action}\nAction Input: {json.dumps(given)}"
        return {"conversations": [{"value": system}, {"value": f"{question}\nBegin!\n"}, {"value": answer}]}

    raws = [row(f"{n} facts of 7", "cat_facts", {"limit": str(n), "id": "7"}) for n in (3, 4, 5)]
    raws.append(row("bye", "finish", {"answer": "bye"}))
    rows, reasons = rows_of(shared.rottuning(reading(train=raws)))
    assert calls_of(rows[0]) == [("cat_facts", {"limit": 3, "id": "7"})]
    assert rows[0]["messages"][0]["content"] == "3 facts of 7"
    assert rows[0]["tools"][0]["parameters"]["properties"]["limit"] == {"type": "integer", "description": "How many."}
    assert [tool["name"] for tool in rows[0]["tools"]] == ["cat_facts"]
    assert reasons == {"the answer is no call of a tool": 1}


def test_seal_tools():
    api = {
        "api_name": "getRooms",
        "api_description": "Rooms.",
        "parameters": {"location": {"type": "str", "description": "Where."}, "guests": {"type": "int"}},
        "required": ["location"],
    }
    prompt = f"Input:\napi_list = {[api]!r}\ntask_instruction = x"
    call = {"api": "getRooms", "parameters": {"location": "Rome", "guests": "2"}}
    nested = {"api": "getRooms", "parameters": {"location": "API_call_0"}}
    rows, reasons = rows_of(
        shared.seal_tools(
            reading(
                dev_with_candidates=[{"id": "1", "conversations": [{"value": prompt}]}],
                dev=[
                    {"id": "1", "query": "Rooms in Rome for 2", "calling": [call]},
                    {
                        "id": "1",
                        "query": "Twice",
                        "calling": [call, nested],
                    },
                    {"id": "2", "query": "No tools", "calling": []},
                ],
            )
        )
    )
    assert calls_of(rows[0]) == [("getRooms", {"location": "Rome", "guests": 2})]
    assert rows[0]["tools"][0]["parameters"]["required"] == ["location"]
    assert reasons == {"a call uses the result of another": 1, "no tools": 1}


def test_toolrl_and_glaive_sharegpt_and_toolace_hermes():
    tool = {"name": "get_pet", "description": "A pet.", "parameters": {"pet_id": {"type": "int", "default": ""}}}
    instruction = f"1. Name: get_pet\nDescription: A pet.\nParameters: {json.dumps(tool['parameters'])}\n\n**Steps"
    call = {"name": "get_pet", "parameters": {"pet_id": "25"}}
    raw = {
        "instruction": instruction,
        "input": "**Dialogue Records History**\n<user> Pet 25? </user>",
        "output": f"<think> so </think>\n<tool_call>\n{json.dumps(call)}\n</tool_call>",
    }
    more = raw | {"input": raw["input"] + "<obs> x </obs><user> y </user>"}
    answer = raw | {"output": "<response> No. </response>"}
    rows, reasons = rows_of(shared.toolrl(reading(train=[raw, more, answer])))
    assert calls_of(rows[0]) == [("get_pet", {"pet_id": 25})] and rows[1]["mode"] == "chat"
    assert reasons == {"more than one turn": 1}

    turns = [("human", "Pet 25?"), ("function_call", '{"name": "get_pet", "arguments": {"pet_id": 25}}')]
    turns += [("observation", "{}"), ("gpt", "A cat.")]
    raw = {"conversations": [{"from": one, "value": text} for one, text in turns], "tools": json.dumps([tool])}
    rows, _ = rows_of(shared.glaive_sharegpt(reading(train=[raw])))
    assert [row["mode"] for row in rows] == ["tool", "chat"]

    call = {"name": "get_pet", "arguments": {"pet_id": 25}}
    raw = {"prompt_messages": [{"role": "user", "content": "Pet 25?"}], "tools": [{"function": tool}]}
    raw |= {"gold_tool_calls": [call, call]}
    rows, _ = rows_of(shared.toolace_hermes(reading(toolace=[raw | {"turn_user_messages": []}], hermes=[raw])))
    assert [len(calls_of(row)) for row in rows] == [1, 2]


def test_api_bank():
    found = {
        "name": "Retreats",
        "description": "Retreats.",
        "input_parameters": {"location": {"type": "str", "description": "Where."}},
        "output_parameters": {},
    }
    text = (
        f"…\nUser: A retreat in Bali.TIME: 2035-07-15 10:00:00\nAPI-Request: [ToolSearcher(keywords='x')]->{found!r}\n"
    )
    raws = [
        {"input": text, "output": "API-Request: [Retreats(location=Bali)]"},
        {"input": text, "output": "API-Request: [Retreats(location='Rome')]"},
        {"input": text, "output": "API-Request: [ToolSearcher(keywords='y')]"},
    ]
    rows, reasons = rows_of(shared.api_bank(reading(**{"lv3-api-train": raws})))
    assert calls_of(rows[0]) == [("Retreats", {"location": "Bali"})]
    assert rows[0]["messages"][0]["content"] == "A retreat in Bali."
    assert reasons == {"a value is not in the query as it stands": 1, "a search for tools": 1}


def sgd_files() -> dict:
    def schema(prefix):
        return {
            "service_name": f"Eat{prefix}",
            "slots": [
                {"name": f"{prefix}city", "description": "City", "is_categorical": False, "possible_values": []},
                {"name": f"{prefix}day", "description": "Day", "is_categorical": False, "possible_values": []},
                {
                    "name": f"{prefix}seats",
                    "description": "Seats",
                    "is_categorical": True,
                    "possible_values": ["1", "2"],
                },
            ],
            "intents": [
                {
                    "name": f"{prefix}Book",
                    "description": "Book a table",
                    "required_slots": [f"{prefix}city", f"{prefix}day"],
                    "optional_slots": {f"{prefix}seats": "2"},
                }
            ],
        }

    def action(act, slot="", canonical=(), values=()):
        return {"act": act, "slot": slot, "canonical_values": list(canonical), "values": list(values)}

    def turn(speaker, text, actions, **more):
        return {
            "speaker": speaker,
            "utterance": text,
            "frames": [{"service": "Eat", "actions": actions, "slots": [], **more}],
        }

    def state(intent, **values):
        return {"active_intent": intent, "slot_values": {name: [value] for name, value in values.items()}}

    dialogue = {
        "dialogue_id": "1",
        "services": ["Eat"],
        "turns": [
            turn("USER", "A table in Rome for two", [action("INFORM", "city", ["Rome"], ["Rome"])],
                 state=state("Book", city="Rome", seats="2")),
            turn("SYSTEM", "For which day?", [action("REQUEST", "day")]),
            turn("USER", "the 12th", [action("INFORM", "day", ["2019-03-12"], ["the 12th"])],
                 state=state("Book", city="Rome", day="2019-03-12", seats="2")),
            turn("SYSTEM", "Done.", [action("NOTIFY_SUCCESS")],
                 service_call={"method": "Book", "parameters": {"city": "Rome", "day": "2019-03-12", "seats": "2"}}),
            turn("USER", "Thank you, bye.", [action("THANK_YOU"), action("GOODBYE")], state=state("NONE")),
            turn("SYSTEM", "Bye.", [action("GOODBYE")]),
        ],
    }  # fmt: skip
    files = {f"train_schema_sgdx_v{at}": [schema(f"v{at}_")] for at in range(1, 6)}
    return {"train_schema": [schema("")], **files, "train_dialogues": [dialogue]}


def test_sgd():
    read = reading(**sgd_files())
    (call,), _ = rows_of(shared.sgd(read))
    (need,), _ = rows_of(shared.sgd_needs(read))
    (chat,), _ = rows_of(shared.sgd_chat(read))
    assert list(calls_of(call)[0][1].values()) == ["Rome", "the 12th", 2]
    assert call["messages"][-2]["content"] == "the 12th"
    city, day = list(call["tools"][0]["parameters"]["properties"])[:2]
    assert city.endswith("city") and calls_of(need)[0][1][city] == "Rome" and need["needs"] == [[0, day]]
    assert chat["mode"] == "chat" and chat["tools"] and chat["messages"][-1]["content"] == "Thank you, bye."


def test_star():
    apis = {
        "weather": {
            "input": [
                {"Name": "City", "Type": "Categorical", "Categories": ["Rome", "Oslo"], "ReadableName": "City"},
                {"Name": "MaxTemperature", "Type": "Integer", "ReadableName": "Max"},
                {"Name": "RequestType", "Type": "RequestType", "Categories": [], "ReadableName": "Request Type"},
            ],
            "required": ["City", "RequestType"],
        }
    }
    events = [
        {"Action": "utter", "Agent": "User", "Text": "Is Rome at 30?"},
        {
            "Action": "query",
            "Agent": "Wizard",
            "APIName": "weather",
            "Constraints": [{"City": 'api.is_equal_to("Rome")'}, {"MaxTemperature": "30"}, {"RequestType": '"Check"'}],
        },
    ]
    (row,), _ = rows_of(shared.star(reading(apis=[apis], dialogues=[{"Events": events}])))
    assert calls_of(row) == [("weather", {"city": "Rome", "max_temperature": 30})]


def test_taskmaster4():
    notes = [
        {"name": "api_call", "value": "get_menu_items"},
        {"name": "request", "value": '{"query": "Mocha"}'},
        {"name": "response", "value": '{"menu_items": [{"menu_item_id": "mocha-12"}]}'},
        {"name": "api_call", "value": "add_order_item"},
        {"name": "request", "value": '{"menu_item_id": "mocha-12", "quantity": "1"}'},
    ]
    raw = {"utterances": [{"speaker": "user", "text": "1 mocha please", "annotations": notes}]}
    rows, _ = rows_of(shared.taskmaster4(reading(dialogs=[raw])))
    assert [calls_of(row)[0] for row in rows] == [
        ("get_menu_items", {"query": "mocha"}),
        ("add_order_item", {"menu_item_id": "mocha-12", "quantity": 1}),
    ]
    assert [message["role"] for message in prompt_of(rows[1])] == ["user", "assistant", "tool"]


def test_restaurant8k_nlupp_multidogo_ha_intents():
    text = "a table for two at noon"
    labels = [
        {"slot": "people", "valueSpan": {"startIndex": 12, "endIndex": 15}},
        {"slot": "time", "valueSpan": {"startIndex": 19, "endIndex": 23}},
    ]
    raws = [{"userInput": {"text": text}, "labels": labels}, {"userInput": {"text": "hello"}}]
    rows, reasons = rows_of(shared.restaurant8k(reading(train=raws)))
    assert calls_of(rows[0]) == [("book_table", {"people": 2, "time": "noon"})] and rows[0]["needs"] == [[0, "date"]]
    assert reasons == {"nothing to extract": 1}

    raw = {
        "text": "we arrive tomorrow, 3 adults",
        "slots": {"date_from": {"text": "tomorrow"}, "adults": {"text": "3", "value": 3}},
    }
    rows, _ = rows_of(shared.nlupp(reading(hotels_folds0_17=[raw], banking_folds0_17=[])))
    assert calls_of(rows[0]) == [("book_stay", {"arrival_date": "tomorrow", "adults": 3})]

    raws = [
        {
            "utterance": "i need two red vine pizzas",
            "slot-labels": "O O quantity food_item food_item O",
            "intent": "orderpizzaintent",
        },
        {"utterance": "one two", "slot-labels": "O", "intent": "orderpizzaintent"},
        {"utterance": "thank you so much", "slot-labels": "O O O O", "intent": "thankyou"},
    ]
    empty = {f"{domain}_sentence_train": [] for domain in ("airline", "finance", "insurance", "media", "software")}
    rows, reasons = rows_of(shared.multidogo(reading(fastfood_sentence_train=raws, **empty)))
    assert calls_of(rows[0]) == [("order_pizza", {"pizza": "red vine", "quantity": 2})] and rows[1]["mode"] == "chat"
    assert reasons == {"as many labels as words are wanted": 1}

    intents = {
        "HassLightSet": {
            "description": "Sets a light",
            "slots": {"area": {"description": "Area"}, "brightness": {"description": "0 to 100"}, "state": {}},
        }
    }
    slots = {"area": "Kitchen", "brightness": 50, "state": "on"}
    raw = {"sentences": ["kitchen lights to 50"], "intent": {"name": "HassLightSet", "slots": slots}, "file": "x"}
    rows, _ = rows_of(shared.ha_intents(reading(intents=[intents], tests_en=[raw])))
    assert calls_of(rows[0]) == [("light_set", {"area": "kitchen", "brightness": 50})]


def test_selection_chat_and_thinking():
    read = reading(
        plugin_des=[{"a": "First."}], big_tool_des=[{"b": "Second."}], queries=[{"Query": "x?", "Tool": "b"}]
    )
    assert [calls_of(row) for row in rows_of(shared.metatool(read))[0]] == [[("b", {})]]
    domains = {"travel": ["book_flight"], "small_talk": ["greeting"], "meta": ["yes"]}
    raws = [{"text": one, "intent": one} for one in ("book_flight", "greeting", "yes", "oos")]
    rows, reasons = rows_of(shared.clinc150(reading(domains=[domains], train=raws, oos_train=[])))
    assert [row["mode"] for row in rows] == ["tool", "chat", "chat"] and reasons.total() == 1
    rows, _ = rows_of(shared.banking77(reading(train=[{"text": "Where is my card?", "category": "card_arrival"}])))
    assert calls_of(rows[0]) == [("card_arrival", {})]
    rows, _ = rows_of(shared.gsm8k(reading(train=[{"question": "2 * 3?", "answer": "2*3=<<2*3=6>>6\n#### 6"}])))
    assert rows[0]["mode"] == "think" and rows[0]["messages"][-1]["content"] == "2*3=6\nThe answer is 6."
    raw = {"question": "a?\\nOptions:", "answer": "b", "rationale": "c"}
    assert prompt_of(rows_of(shared.flan_cot(reading(x_train=[raw])))[0][0])[0]["content"] == "a?\nOptions:"
    raw = {"prompt": "Below.\n\n### Instruction:\nWhy?\n\n### Response:\n", "response": "So."}
    rows, reasons = rows_of(shared.dolly(reading(train=[raw, {"prompt": "Why?"}])))
    assert prompt_of(rows[0])[0]["content"] == "Why?" and reasons == {"the prompt is not in the template": 1}
    raw = {"instruction": "Rewrite.", "instances": [{"input": "a", "output": "b"}]}
    assert prompt_of(rows_of(shared.self_instruct(reading(tasks=[raw])))[0][0])[0]["content"] == "Rewrite.\n\na"
    rows, _ = rows_of(shared.nq_open(reading(dev=[{"question": "who?", "answer": ["I"]}])))
    assert rows[0]["messages"][-1]["content"] == "I"
    rows, reasons = rows_of(shared.chatgpt_prompts(reading(prompts=[{"prompt": "Act."}, {"prompt": "x" * 2000}])))
    assert len(rows) == 1 and reasons == {"too long": 1}


# ------------------------------------------------------------------------------------------ augmentation

WORDS = st.sampled_from("alpha beta gamma delta city of rome train seat".split())
SCHEMAS = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "description": "The town_name to go to."},
        {"type": "integer", "minimum": 0},
        {"type": "boolean"},
        {"type": "string", "enum": ["red", "blue"]},
        {"type": "array", "items": {"type": "string"}},
        {"type": "object", "properties": {"deep_one": {"type": "number"}}, "required": ["deep_one"]},
    ]
)
VALUES = {
    "string": WORDS,
    "integer": st.integers(0, 50),
    "boolean": st.booleans(),
    "array": st.lists(WORDS, max_size=2),
    "object": st.just({"deep_one": 1.5}),
}


@st.composite
def tools(draw, name: str):
    names = draw(st.lists(st.sampled_from(["town_name", "seatCount", "day", "arg1", "to"]), unique=True, max_size=4))
    properties = {one: dict(draw(SCHEMAS)) for one in names}
    required = [one for one in names if draw(st.booleans())]
    schema = {"type": "object", "properties": properties, **({"required": required} if required else {})}
    about = draw(st.sampled_from(["", "Books a train.", "Books it; give town_name in English."]))
    return {"name": name, "description": about, "parameters": schema}


@st.composite
def rows(draw):
    offered = [draw(tools(name)) for name in draw(st.sampled_from([["book_seat"], ["getTrain", "book_seat", "f"]]))]
    calls, needs = [], []
    for at in range(draw(st.integers(1, 2))):
        tool = draw(st.sampled_from(offered))
        arguments = {}
        for name, schema in tool["parameters"]["properties"].items():
            required = name in tool["parameters"].get("required", ())
            if required and draw(st.integers(0, 5)) == 0:
                needs.append((at, name))
            elif required or draw(st.booleans()):
                kind = st.sampled_from(schema["enum"]) if "enum" in schema else VALUES[schema["type"]]
                arguments[name] = draw(kind)
        calls.append((tool["name"], arguments))
    said = " ".join(str(value) for _, arguments in calls for value in arguments.values())
    messages = [{"role": "user", "content": f"Please do this for me: go to {said} quickly"}]
    if draw(st.booleans()):
        called = {"type": "function", "function": {"name": calls[0][0], "arguments": calls[0][1]}}
        messages += [{"role": "assistant", "content": "", "tool_calls": [called]}, {"role": "tool", "content": "{}"}]
    return make_row(messages, offered, "test", calls, needs=needs)


POOL = [
    tool_of(f"other_{name}", f"Does {name} things.", {name: {"type": "str"}}) for name in ("paint", "cook", "sing")
]


@settings(max_examples=60, deadline=None)
@given(row=rows(), seed=st.integers(0, 10_000))
def test_augmented_rows_are_good_rows_and_leave_the_old_one_alone(row, seed):
    before = copy.deepcopy(row)
    chance = random.Random(seed)
    made = [
        augment.shuffle_tools(row, chance),
        augment.trim_tools(row, chance, 1, 100),
        augment.add_distractors(row, POOL, 2, chance),
        augment.rename_tools(row, chance),
        augment.rename_parameters(row, chance),
        augment.drop_optional(row, chance),
        augment.remove_called(row, POOL, chance),
        augment.delete_value(row, chance),
        augment.join(row, simple("Book a hotel in Rome", where="Rome"), chance),
    ]
    for other in made:
        if other is not None:
            check_row(other)
            check_row(augment.rename_tools(augment.rename_parameters(other, chance), chance))
    assert row == before


@settings(max_examples=60, deadline=None)
@given(row=rows(), seed=st.integers(0, 10_000))
def test_names_change_everywhere_at_once_and_values_nowhere(row, seed):
    other = augment.rename_parameters(augment.rename_tools(row, random.Random(seed)), random.Random(seed))
    places = {tool["name"]: at for at, tool in enumerate(row["tools"])}
    for message, renamed in zip(row["messages"], other["messages"], strict=True):
        for one, two in zip(message.get("tool_calls", ()), renamed.get("tool_calls", ()), strict=True):
            tool = other["tools"][places[one["function"]["name"]]]
            assert two["function"]["name"] == tool["name"]
            old = row["tools"][places[one["function"]["name"]]]["parameters"]["properties"]
            names = dict(zip(old, tool["parameters"]["properties"], strict=True))
            expected = {names[name]: value for name, value in one["function"]["arguments"].items()}
            assert two["function"]["arguments"] == expected
    for old, new in zip(row["tools"], other["tools"], strict=True):
        if "town_name" not in new["parameters"]["properties"] and "town_name" in old["parameters"]["properties"]:
            assert "town_name" not in json.dumps(new)


def simple(text: str, name: str = "book", **arguments) -> dict:
    kinds = {str: "string", int: "integer"}
    properties = {key: {"type": kinds[type(value)], "description": key} for key, value in arguments.items()}
    schema = {"type": "object", "properties": properties, "required": list(arguments)}
    tool = tool_of(name, "Books a hotel room.", schema)
    return make_row(hub.user(text), [tool], "test", [(name, arguments)])


@pytest.mark.parametrize(
    "text, value, left",
    [
        ("Book me a hotel in Rome, please.", "Rome", "Book me a hotel, please."),
        ("Book me a hotel called 'The Inn' tonight", "The Inn", "Book me a hotel tonight"),
        ("Book a hotel for the night for 3", 3, "Book a hotel for the night"),
    ],
)
def test_a_deleted_value_goes_with_the_words_that_lead_to_it(text, value, left):
    row = augment.delete_value(simple(text, where=value), random.Random(0))
    assert row["messages"][0]["content"] == left
    assert calls_of(row) == [("book", {})] and row["needs"] == [[0, "where"]] and row["mode"] == "tool"


@pytest.mark.parametrize(
    "row",
    [
        simple("Rome, Rome, a hotel in Rome", where="Rome"),  # said more than once
        simple("Book a hotel there, please", where="Rome"),  # not said
        simple("Rome please", where="Rome"),  # nothing left
        simple("Wake me up at 12:00 tomorrow", where=12),  # a part of something
        simple("Book me a hotel in Rome Italy", where="Rome Italy", city="Rome"),  # another value goes with it
    ],
)
def test_a_value_is_not_deleted_where_the_label_would_be_wrong(row):
    row = {**row, "tools": [{**row["tools"][0]}]}
    row["tools"][0]["parameters"] = {**row["tools"][0]["parameters"], "required": ["where"]}
    assert augment.delete_value(row, random.Random(0)) is None


def test_a_negative_offers_nothing_like_the_called_tool():
    row = simple("Book me a hotel in Rome", name="book_hotel", where="Rome")
    rival = tool_of("reserveHotel", "Reserves a room in a hotel.", {})
    row["tools"] += [rival, tool_of("paint_wall", "Paints a wall.", {}), tool_of("ask", "Search the web.", {})]
    negative = augment.remove_called(row, [rival], random.Random(0))
    assert negative["mode"] == "chat" and negative["messages"] == prompt_of(row)
    assert [tool["name"] for tool in negative["tools"]] == ["paint_wall"]
    assert augment.remove_called(simple("Book me a hotel in Rome", where="Rome"), [], random.Random(0)) is None


def test_two_requests_are_joined_unless_one_could_stand_for_the_other():
    row, chance = simple("Book a hotel in Rome.", where="Rome"), random.Random(0)
    other = simple("and one in Oslo", where="Oslo")
    made = augment.join(row, other, chance)
    assert calls_of(made) == [("book", {"where": "Rome"}), ("book", {"where": "Oslo"})] and len(made["tools"]) == 1
    assert made["messages"][0]["content"].startswith("Book a hotel in Rome. ")
    assert made["messages"][0]["content"].endswith("and one in Oslo")
    assert augment.join(row, row, chance) is None
    assert augment.join(row, simple("A bed in Oslo", name="book_bed", place="Oslo"), chance) is None
    assert augment.join(row, {**other, "needs": [[0, "where"]]}, chance) is None


def test_what_is_offered_for_chat_does_not_help():
    row = make_row(hub.user("who painted the ceiling?"), [], "test")
    other = augment.add_distractors(row, [*POOL, tool_of("web", "Search the internet.", {})], 5, random.Random(0))
    assert sorted(tool["name"] for tool in other["tools"]) == ["other_cook", "other_sing"]


# ------------------------------------------------------------------------------------------ mixtures


def lines(path: Path, raws) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(one if isinstance(one, str) else json.dumps(one) + "\n" for one in raws))


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """A folder with two sets and a configuration, and a checker that needs no real base."""
    tool = {"name": "get_weather", "description": "Weather of a city.", "parameters": {"city": {"type": "str"}}}
    other = {"name": "paint_wall", "description": "Paints walls.", "parameters": {"shade": {"type": "str"}}}
    bad = {
        "name": "bad",
        "description": "",
        "parameters": {"type": "object", "properties": {"a": {"type": "string", "pattern": "^a+$"}}},
    }
    raws = [
        {
            "query": f"Tell me the weather in Town{at} now, please",
            "tools": json.dumps([tool, other]),
            "answers": json.dumps([{"name": "get_weather", "arguments": {"city": f"Town{at}"}}]),
        }
        for at in range(40)
    ]
    refused = {"query": "x", "tools": json.dumps([bad]), "answers": '[{"name": "bad", "arguments": {"a": "a"}}]'}
    lines(tmp_path / "calls" / "train.jsonl", [*raws, raws[0], refused, "{cut off\n", {"query": "x"}])
    sums = [{"question": f"how much is {at} and one", "answer": f"#### {at + 1}"} for at in range(9)]
    (tmp_path / "talk").mkdir()
    with gzip.open(tmp_path / "talk" / "train.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(one) + "\n" for one in sums)
    config = {
        "seed": 3,
        "dev_share": 0.2,
        "negatives": 5,
        "needs": 5,
        "joined": 4,
        "remove_overlap": False,
        "sources": [
            {"name": "calls", "format": "xlam", "path": "calls/train.jsonl", "licence": "MIT", "repeat": 2},
            {"name": "talk", "format": "gsm8k", "path": "talk", "licence": "CC0-1.0", "cap": 6},
        ],
    }
    (tmp_path / "mixture.yaml").write_text(yaml.safe_dump(config))
    made = LaFuncProcessor.from_base(make_tokenizer("llama"))
    monkeypatch.setattr(LaFuncProcessor, "from_base", classmethod(lambda cls, base, revision=None: made))
    return tmp_path


def build(root: Path, out: str, *more: str) -> int:
    config = str(root / "mixture.yaml")
    return main(["data", "build", "--config", config, "--root", str(root), "--out", str(root / out), *more])


def test_a_build_from_end_to_end(root):
    assert build(root, "one") == 0
    train, dev = (list(read_rows(root / "one" / f"{name}.jsonl.gz")) for name in ("train", "dev"))
    for row in train + dev:
        check_row(row)
    assert dev and not {query_of(row) for row in train} & {query_of(row) for row in dev}
    card = json.loads((root / "one" / "card.json").read_text())
    data = card["data"]
    assert data["rows"] == {"train": len(train), "dev": len(dev)}
    calls, talk = data["sources"]
    assert calls["usable"] == 40 and talk["drawn"] == 6
    assert calls["skipped"] == {
        "the same as another row": 1,
        "a tool's schema is refused": 1,
        "a line is not JSON": 1,
        "not of the set's format": 1,
    }
    assert "pattern" in calls["examples"]["a tool's schema is refused"]
    assert data["augmentations"]["the called tool removed"] == 5
    assert data["augmentations"]["a required value deleted"] == 5 == data["needs"]
    assert data["augmentations"]["two rows joined"] == 4 == data["calls"]["2"]
    assert data["modes"]["think"] == 6
    assert card["command"].startswith("lafunc data build --config mixture.yaml ") and str(root) not in json.dumps(card)
    text = (root / "one" / "card.md").read_text()
    assert "| calls | a tool's schema is refused | 1 |" in text and "Overlap with BFCL was not looked for" in text


def test_the_same_configuration_makes_the_same_rows(root):
    build(root, "one")
    build(root, "two")
    for name in ("train", "dev"):
        one, two = (list(read_rows(root / out / f"{name}.jsonl.gz")) for out in ("one", "two"))
        assert one == two
    build(root, "three", "--only", "talk")
    assert {row["source"] for row in read_rows(root / "three" / "train.jsonl.gz")} == {"talk"}


def asked(text: str, *tools) -> SimpleNamespace:
    """An evaluation row."""
    return SimpleNamespace(id="simple_0", messages=[{"role": "user", "content": text}], tools=tools)


def test_rows_that_meet_an_evaluation_row_are_left_out():
    count = Count()
    source = Source("glaive", "glaive", "Apache-2.0", path="glaive.jsonl")
    evaluation = Evaluation([asked("What is the rate from USD to EUR?")])
    rows = collect(source, FIXTURES, Checker(Mixture([], base=make_tokenizer("llama")), evaluation), count)
    assert count.skipped["meets an evaluation row"] == 2 and count.kept == len(rows) == 4
    assert count.examples["meets an evaluation row"] == "meets an evaluation row: exact: simple_0"


def test_tools_of_the_evaluation_are_not_offered():
    theirs = tool_of("area.of_circle", "Works out the area of a circle.", {"radius": {"type": "int"}})
    evaluation = Evaluation([asked("How large is it?", theirs)])
    ours = tool_of("areaOfCircle", "Area.", {"radius": {"type": "float"}})
    assert evaluation.offers(ours) and evaluation.offers(tool_of("f", "works out the area of a circle", {}))
    fine = tool_of("areaOfCircle", "Area.", {"diameter": {"type": "float"}})
    assert not evaluation.offers(fine) and not evaluation.offers(tool_of("f", "", {}))
    checker = Checker(Mixture([], base=make_tokenizer("llama")), evaluation)
    other = tool_of("g", "", {})
    row = checker.row(Draft(hub.user("x"), [ours, other], [("g", {})]), "x")
    assert row["tools"] == [other]
    with pytest.raises(RowError, match="a tool is one of the evaluation: areaOfCircle"):
        checker.row(Draft(hub.user("x"), [ours, other], [("areaOfCircle", {"radius": 2})]), "x")


def test_what_is_made_of_rows_is_looked_at_again(root, monkeypatch):
    path = root / "mixture.yaml"
    path.write_text(path.read_text().replace("remove_overlap: false", "remove_overlap: true"))

    tool = {"name": "x", "description": "Weather of a city.", "parameters": {}}
    for text, met, modes in (
        ("What is the weather of a city today?", None, {"tool", "chat", "think"}),
        ("Weather of a city.", "exact: simple_0", {"chat", "think"}),
    ):
        monkeypatch.setattr(mixture.bfcl, "load", lambda categories, text=text: [asked(text)])
        assert Evaluation([asked(text)]).asks(tool) == met
        assert build(root, "out") == 0
        assert {row["mode"] for row in read_rows(root / "out" / "train.jsonl.gz")} <= modes
    assert json.loads((root / "out" / "card.json").read_text())["data"]["overlap_removed_last"] >= 80


def test_long_rows_and_refused_schemas_are_left_out(checker):
    with pytest.raises(RowError, match="the conversation is too long"):
        checker.row(Draft(hub.user("long " * 2000), mode="chat"), "x")
    refused = tool_of("f", "", {"type": "object", "properties": {"a": {"type": "string", "pattern": "^a$"}}})
    fine = tool_of("g", "", {})
    with pytest.raises(RowError, match=r"a tool's schema is refused: tool 'f', \$\.properties\.a"):
        checker.row(Draft(hub.user("x"), [refused], [("f", {"a": "a"})]), "x")
    assert checker.row(Draft(hub.user("x"), [refused, fine], [("g", {})]), "x")["tools"] == [fine]


def pool(folder: Path) -> None:
    """A pool of tools in the form of Seal-Tools: a good one, a refused one, and what is none."""
    one = {"api_name": "getDew", "api_description": "Gives the dew point.", "parameters": {"t": {"type": "float"}}}
    bad = {
        **one,
        "api_name": "getRain",
        "parameters": {f"t{at}": {"type": "str", "description": 3} for at in range(2)},
    }
    lines(folder / "tool.jsonl", [{**one, "required": ["t"]}, bad, {"api_name": "getSun"}, "{cut off\n"])


def test_rows_are_written_for_pools_of_tools_and_for_invented_ones(checker, tmp_path):
    pool(tmp_path / "set")
    count = Count()
    source = Source("pool", "synthesis", "Apache-2.0", path="set", pool="seal_tools", cap=40)
    rows = collect(source, tmp_path, checker, count)
    for reason in ("a line is not JSON", "not of the set's format", "a tool of the pool is refused"):
        assert count.skipped[reason] == 1
    assert 30 < len(rows) <= 40 and {row["source"] for row in rows} == {"pool"}
    assert {name for row in rows for name, _ in calls_of(row)} >= {"getDew"}
    assert rows == collect(source, tmp_path, checker, Count())
    invented = collect(Source("own", "synthesis", "Apache-2.0", cap=20), tmp_path, checker, Count())
    assert {row["mode"] for row in invented} == {"tool", "chat"}
    assert "getDew" not in {tool["name"] for row in invented for tool in row["tools"]}


def test_a_pool_without_a_tool_that_can_be_used(checker, tmp_path):
    lines(tmp_path / "set" / "tool.jsonl", [{"api_name": "getSun"}])
    source = Source("pool", "synthesis", "Apache-2.0", path="set", pool="seal_tools", cap=40)
    with pytest.raises(DataError, match="source pool: no row could be used as synthesis: not of the set's format"):
        collect(source, tmp_path, checker, Count())


def test_a_cap_draws_from_the_whole_set(checker):
    source = Source("xlam", "xlam", "CC-BY-4.0", path="xlam.jsonl", cap=1)
    count = Count()
    assert len(collect(source, FIXTURES, checker, count)) == 1
    assert count.converted == 2 and mix(Mixture([source]), [], Counter()) == ([], [])


@pytest.mark.parametrize(
    "change, match",
    [
        (lambda config: config.pop("sources"), "expected a mapping with a list of `sources`"),
        (lambda config: config.update(sead=1), "unknown key 'sead'; known are sources, seed"),
        (lambda config: config.update(dev_share=2.0), "dev_share must be a share, 0 to 1, got 2.0"),
        (lambda config: config.update(negatives=0.5), "negatives must be a count, got 0.5"),
        (lambda config: config["sources"].append("x"), r"sources\[2\]: expected a mapping, got str"),
        (lambda config: config["sources"][0].pop("licence"), r"sources\[0\]: 'licence' is missing"),
        (lambda config: config["sources"][0].update(format="csv"), "no format 'csv'; there are glaive, xlam"),
        (lambda config: config["sources"][0].update(hub="x/y"), "give either `path` or `hub`"),
        (lambda config: config["sources"][1].update(path=None, hub="x/y"), "gsm8k is not a format of the Hub"),
        (lambda config: config["sources"][1].update(name="calls"), "two sources have one name"),
        (lambda config: config["sources"][0].update(pool="seal_tools"), "a `pool` is for the format synthesis"),
        (lambda config: config["sources"][0].update(format="synthesis"), "synthesis has no end; give a `cap`"),
        (lambda config: config["sources"][1].update(format="synthesis"), "give `pool` and `path`, or neither"),
        (
            lambda config: config["sources"][1].update(format="synthesis", pool="x"),
            "no pool 'x'; there are seal_tools",
        ),
        (lambda config: config["sources"][0].update(path="nowhere"), "nowhere is not in the root folder; is --root"),
        (lambda config: config["sources"][0].update(format="snips", path="calls"), "no file train_AddToPlaylist"),
        (lambda config: config["sources"][0].update(format="hermes"), "no row could be used as hermes"),
    ],
)
def test_errors_say_what_is_wrong(root, change, match, capsys):
    path = root / "mixture.yaml"
    config = yaml.safe_load(path.read_text())
    change(config)
    path.write_text(yaml.safe_dump(config))
    assert build(root, "out") == 2
    error = capsys.readouterr().err
    assert re.search(match, error), error


def test_a_configuration_that_is_not_there_and_a_source_that_is_not_in_it(root, capsys):
    with pytest.raises(DataError, match=r"nothing\.yaml"):
        read_config(root / "nothing.yaml")
    assert build(root, "out", "--only", "others") == 2
    assert "has no source 'others'" in capsys.readouterr().err


def test_a_set_that_the_hub_does_not_have(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError("no such set")

    monkeypatch.setattr(datasets, "load_dataset", missing)
    with pytest.raises(DataError, match="cannot load 'a/b' from the Hub: no such set"):
        mixture.open_source(Source("x", "xlam", "MIT", hub="a/b"), Path("."))


def test_json_and_parquet_files_are_read_too(tmp_path):
    raws = [json.loads(line) for line in (FIXTURES / "xlam.jsonl").read_text().splitlines()]
    (tmp_path / "rows.json").write_text(json.dumps(raws))
    datasets.Dataset.from_list(raws).to_parquet(tmp_path / "rows.parquet")
    expected = from_hub("xlam")
    for name in ("rows.json", "rows.parquet"):
        assert rows_of(mixture.convert(Source("xlam", "xlam", "x", path=name), tmp_path)) == expected


def test_the_recipes_can_be_read():
    for path in (Path(__file__).parent.parent / "recipes" / "data").glob("*.yaml"):
        assert read_config(path).sources
