"""Sets: each one's format becomes rows; bad rows are counted."""

import json
from collections import Counter
from pathlib import Path

import datasets
import pytest

from lafunc.data import hub, shared, sources
from lafunc.data.dialects import tool_of
from lafunc.data.hub import Draft
from lafunc.data.rows import RowError, calls_of, make_row, prompt_of
from lafunc.data.sources import DataError, Source

FIXTURES = Path(__file__).parent / "fixtures"


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
    return rows_of(sources.convert(source, FIXTURES))


def test_a_set_that_the_hub_does_not_have(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError("no such set")

    monkeypatch.setattr(datasets, "load_dataset", missing)
    with pytest.raises(DataError, match="cannot load 'a/b' from the Hub: no such set"):
        sources.open_source(Source("x", "xlam", "MIT", hub="a/b"), Path("."))


def test_json_and_parquet_files_are_read_too(tmp_path):
    raws = [json.loads(line) for line in (FIXTURES / "xlam.jsonl").read_text().splitlines()]
    (tmp_path / "rows.json").write_text(json.dumps(raws))
    datasets.Dataset.from_list(raws).to_parquet(tmp_path / "rows.parquet")
    expected = from_hub("xlam")
    for name in ("rows.json", "rows.parquet"):
        assert rows_of(sources.convert(Source("xlam", "xlam", "x", path=name), tmp_path)) == expected


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


def test_rows_that_call_for_a_part_of_what_is_listed_are_left_out():
    tool = tool_of("track", "", {"parcel": {"type": "str"}})
    draft = Draft(hub.user("Where are AB12 and CD34?"), [tool], [("track", {"parcel": "AB12"})])
    with pytest.raises(RowError, match="the calls are for a part of a series: Where are"):
        hub.ground(draft)
    both = [*draft.calls, ("track", {"parcel": "CD34"})]
    assert list(hub.ground(draft._replace(calls=both)).calls) == both
    assert hub.ground(draft._replace(calls=())) == draft._replace(calls=())


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
