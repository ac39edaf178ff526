"""Requests in a person's words for calls of tools: what is to be done, and with which values.

```python
>>> target = Target({"name": "circle_area", "description": "Calculate the area of a circle", "parameters": …})
>>> frame(target, [(target.arguments[0], Said(5, "5 cm"))], random.Random(1))
'What is the area of a circle with a radius of 5 cm?'
```

A tool's description gives the verb and its object ("Retrieves the weather for a given city" → "get the weather"), and
a phrase in it that speaks of an argument gives way to the value ("for Tokyo"). Values attach by what they are: "in
Tokyo", "with a radius of 5", "the radius is 5", "radius: 5", "without metadata", and in any order.
"""

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .arguments import Argument, read_arguments, words_of
from .mentions import LIKE, VERBS, Mention, article, plural, quote
from .values import Said, join

Pairs = Sequence[tuple[Argument, Said]]

_BASE = {"retrieves": "retrieve", "returns": "return", "does": "do", "has": "have", "is": "be", "searches": "search"}
_GET = (
    "get",
    "retrieve",
    "return",
    "fetch",
    "obtain",
    "provide",
    "show",
    "find",
    "display",
    "give",
    "look up",
    "list",
    "lookup",
)
_SPOKEN_GET = (
    *11 * ("get",), "get", "find", "give me", "show me", "tell me", "get me", "look up", "fetch", "check", "find out",
    "pull up",
)  # fmt: skip
_CLAUSE = re.compile(r"(?:if|whether|how|what|which|who|when|where|that|to|for|with|in|on|up|off|out|back|as)\b")
_ASK = (
    "calculate",
    "compute",
    "determine",
    "estimate",
    "find",
    "get",
    "retrieve",
    "fetch",
    "return",
    "evaluate",
    "obtain",
)
_GIVEN = r"(?:given|specified|specific|particular|provided)"
_TAIL = re.compile(
    r"[,.;:(\[]|\b(?:given (?!name|the name)(?!\w+ name)|from the |based on|using|according to|which|in order to|"
    r"such as|by (?:its|their|the|providing|specifying|using|name|id)|specified by|provided|with optional|optionally|"
    r"with the (?:given|specified|provided|following)|including|that (?:match|meet|are|is)|"
    rf"between two {_GIVEN}|for (?:a |an |the )?{_GIVEN}|(?:in|of|on|at|within) an? {_GIVEN})\b"
)
_OPEN = (
    "Hi!",
    "Hello,",
    "Hey,",
    "Quick question:",
    "Hi there.",
    "Good morning.",
    "One more thing:",
    "OK,",
    "Next,",
    "Alright,",
)
_STORY = (
    "I'm putting together a report and need some help.", "My colleague asked me about this.",
    "I have a meeting in ten minutes.",
    "I'm working on a small project at the moment.", "I was just talking to a friend about this.",
    "I'm trying to finish my homework.",
    "I don't have much time today.", "We are preparing for tomorrow's presentation.",
    "I've been putting this off all week.",
    "My boss needs this by tonight.", "I'm new to this, so bear with me.", "I keep forgetting how to do this myself.",
    "I'm helping my sister with something.", "Our team is in the middle of planning.",
    "I can't do this by hand any more.",
    "There are several things on my list today.", "I already tried it myself and got stuck.",
    "I want to double-check something.",
)  # fmt: skip
_CLOSE = (
    "Thanks!",
    "Thank you.",
    "Thanks in advance.",
    "I'd appreciate it.",
    "That would help a lot.",
    "It's urgent.",
    "Cheers.",
)
_PLEASE = (
    "Can you {}?", "Could you {}?", "Could you please {}?", "Can you please {}?", "Would you {}?",
    "Would you mind helping me {}?",
    "Please {}.", "Please {}.", "I need to {}.", "I want to {}.", "I'd like to {}.", "I would like you to {}.",
    "I want you to {}.",
    "I need you to {}.", "Help me {}.", "Can you help me {}?", "Let's {}.", "Is it possible to {}?",
    "Are you able to {}?",
    "{}, please.", "Kindly {}.",
)  # fmt: skip


_PREAMBLE = re.compile(
    r"^(?:this|the) (?:function|api|tool|endpoint|method|service|operation)"
    r"(?: is used to| allows (?:you|users) to| can| will| lets you)?\s+"
    r"|^(?:allows (?:you|users) to|used to|use this (?:function|tool|api)? ?to|api (?:to|for)|(?:function|tool) to) ",
    re.I,
)


class Target:
    """A tool that requests are made for.

    Attributes:
        tool: name, description, parameters.
        arguments: as read by [`read_arguments`].
        asks: whole requests with `{name}` for arguments, where whoever wrote the tool gave some.
        verb, object: what it does: ("calculate", "the area of a circle").
    """

    def __init__(self, tool: Mapping[str, Any], asks: Sequence[str] = ()):
        self.tool = dict(tool)
        self.name: str = tool["name"]
        self.arguments: list[Argument] = read_arguments(tool)
        self.asks = tuple((ask, frozenset(re.findall(r"{(\w+)}", ask))) for ask in asks)
        self.sentence = _sentence(self.name, str(tool.get("description") or ""))
        self.verb, self.object = _action(self.sentence)


def _sentence(name: str, description: str) -> str:
    """`calculate the area of a circle`, from the description if it tells, else from the name."""
    text = re.split(r"(?<=[a-z)])[.!](?:\s|$)|\n", description.strip(), maxsplit=1)[0].strip()
    text = _PREAMBLE.sub("", text)
    words = text.split()
    if words:
        first = words[0].lower().strip(",")
        base = _BASE.get(first) or next(
            (
                stem
                for stem in (first, first[:-1], first[:-2], first[:-3] + "y", first[:-3], first[:-3] + "e")
                if stem in VERBS
            ),
            "",
        )
        named = words_of(name).split()[0]
        if not base and named not in _NOT_VERBS and first in (named, named + "s", named + "es"):
            base = named
        if base and (first == base or first.endswith(("s", "ing"))):
            return " ".join([base, *words[1:]])
        if (
            2 <= len(words) <= 12
            and first in ("the", "a", "an", "current", "your")
            or text.lower().startswith("list of")
        ):
            return "get " + text[0].lower() + text[1:]
    spoken = [word for word in words_of(name.replace(".", " ").split("/")[-1]).split() if word != "api"] or ["it"]
    at = next((index for index, word in enumerate(spoken[:2]) if word in VERBS), None)
    if at is not None and at < len(spoken) - 1:
        rest = spoken[at + 1 :]
        noun = " ".join(rest)
        lead = "" if plural(noun) else f"{article(noun)} " if spoken[at] in _CREATE else "the "
        return f"{spoken[at]} {lead}{noun}"
    return f"get the {' '.join(spoken)}" if at is None else " ".join(spoken[at:]) + " it"


_NOT_VERBS = {"the", "a", "an", "current", "new", "all", "user", "list", "daily", "top"}
_CREATE = {"create", "add", "book", "make", "generate", "send", "schedule", "order", "buy", "draft", "plan", "write"}


def _action(sentence: str) -> tuple[str, str]:
    verb, _, rest = sentence.partition(" ")
    if rest.startswith(("up ", "out ", "back ", "down ")):
        particle, _, rest = rest.partition(" ")
        verb = f"{verb} {particle}"
    return verb.lower(), rest


def _core(target: Target, pairs: Pairs, rng: random.Random) -> tuple[str, str, list["Mention"]]:
    """The verb phrase with the values that fit into it, and the mentions that remain to be made."""
    pairs = [(argument, said) for argument, said in pairs if argument.kind != "null" and said.text]
    if rng.random() < 0.35:
        pairs = rng.sample(pairs, len(pairs))
    mentions = [Mention(argument, said, rng) for argument, said in pairs]
    text = target.object
    rest = []
    for mention in mentions:
        put = _substitute(text, mention) if text and rng.random() < 0.93 else None
        if put is None:
            rest.append(mention)
        else:
            text = put
    text = _cut(text)
    if rng.random() < 0.6:
        for mention in rest:
            if put := _before(target.verb, text, mention):
                return target.verb, put, [other for other in rest if other is not mention]
    return target.verb, text, rest


_BEFORE = re.compile(
    r"\b(type|category|genre|kind|style|cuisine|diet|preference|material|colou?r|brand|level|difficulty|condition|status"
    r"|size|species|breed|theme|topic|sport|method|class|quality|season|flavou?r|priority|shape|industry|subject"
    r"|platform|food|weather|instrument)s?$"
)
_ELSEWHERE = re.compile(r"\b(exclude\w*|not|without|target|source|to|from|input|output|new|old|sort|order|by)\b")
_CHANGES = {"update", "edit", "set", "change", "convert", "modify", "adjust", "translate", "format", "switch", "move"}
_LEAD = re.compile(  # possessive: `the pH` has no noun after its article
    r"(?:(?:for|up) )?+(?:(?:the )?(?:details|list|number|value|price|count|cost) (?:of|about|for) )?+"
    r"(?:(?:the|an?|all|any|some|available|upcoming|nearby|best|top|current|new) )*+"
    r"(?!(?:the|an?|all|how|what|which|whether|if|two|between|your|its|each|every|of|in|for|to)\b)(?=[a-z]{3,})"
)


def _before(verb: str, text: str, mention: Mention) -> str | None:
    """The text with a value before its noun, as kinds of things are given in passing: `a vegan restaurant`."""
    argument = mention.argument
    if not _BEFORE.search(argument.words) or _ELSEWHERE.search(argument.words) or verb in _CHANGES:
        return None
    if not re.fullmatch(r"[A-Za-z][A-Za-z-]{3,}(?: [A-Za-z-]+)?", mention.text):
        return None
    if argument.kind not in ("string", "enum", "array") or mention.text.lower() in text.lower():
        return None
    if argument.kind == "array" and len(mention.value) != 1:
        return None
    found = _LEAD.match(text)
    if found is None or found.end() == len(text):
        return None
    lead = re.sub(r"\ban? $", f"{article(mention.text)} ", found[0])
    return f"{lead}{mention.text} {text[found.end() :]}"


_INSERTED = "\x00"


def _substitute(text: str, mention: Mention) -> str | None:
    """The text with the phrase that speaks of an argument replaced by the value: `a given city` by `Tokyo`."""
    argument = mention.argument
    if argument.kind not in ("string", "integer", "number", "date", "datetime") or argument.style in (
        "unit",
        "fraction",
        "percent",
    ):
        return None
    if argument.words.endswith(" id"):
        owner = argument.words.removesuffix(" id")
        found = re.search(rf"\b(?:a|an|the) {owner}\b(?! (?:of|in|for))", text)
        if found and _INSERTED not in text[: found.start()]:
            way = mention.rng.choice(
                ("{} {}", "{} {}", "the {} {}", "the {} with ID {}", "{} number {}", "{} with the ID {}")
            )
            put = way.format(owner, mention.text)
            return f"{text[: found.start()]}{_INSERTED}{put}{_INSERTED}{text[found.end() :]}"
    last = argument.words.split()
    noun = last[0] if last[-1] in ("name", "id", "number", "code", "title") and len(last) > 1 else last[-1]
    if not noun.isalpha():
        return None
    match = re.search(
        rf"\b(?:a|an|the|its|any|that|by)? ?(?:given|specified|specific|particular|certain|provided|chosen) "
        rf"(?:\w+ )?{noun}s?\b(?: name| id| code)?",
        text,
    )
    if (
        match is None
        and argument.source
        and argument.source[0] in ("city", "country", "company", "team", "person", "language", "ticker")
    ):
        match = re.search(rf"\b(?:a|an|any) {noun}\b(?! of)", text)
    if match is None or _INSERTED in text[: match.start()]:
        return None
    keep = (
        ""
        if argument.kind == "string" and argument.source and argument.source[0] not in ("code", "id")
        else f"{noun} "
    )
    if argument.kind in ("date", "datetime"):
        keep = ""
    return f"{text[: match.start()].rstrip()} {_INSERTED}{keep}{mention.text}{_INSERTED}{text[match.end() :]}".strip()


def _cut(text: str) -> str:
    """Without what the description says of its arguments in general."""
    start = text.rfind(_INSERTED) + 1
    match = _TAIL.search(text, start)
    if match:
        text = text[: match.start()]
    text = text.replace(_INSERTED, "").strip(" ,;:-")
    return re.sub(r" (?:and|or|of|for|in|by|with|from|to|at|on|the|a|an|between|its|their)$", "", text)


def _attach(mentions: Sequence[Mention], rng: random.Random) -> str:
    """` in Tokyo with a radius of 5 and 3 guests, and include maps`"""
    plain: list[str] = []
    withs: list[str] = []
    switches: list[str] = []
    for mention in mentions:
        text, wants = mention.adjunct()
        (switches if mention.boolean else withs if wants else plain).append(text)
    out = "".join(f" {text}" for text in plain if not text.startswith((": ", "saying")))
    if withs:
        lead = rng.choice(
            (
                " with ",
                " with ",
                " with ",
                " using ",
                " given ",
                ", with ",
                " for a " if withs[0].startswith("a ") else " with ",
            )
        )
        if lead == " for a ":
            lead = " for "
        out += lead + join(withs, rng)
    out += "".join(text if text.startswith(":") else f" {text}" for text in plain if text.startswith((": ", "saying")))
    for text in switches:
        out += text if text.startswith(",") else (", " if text.startswith(("and", "but")) else " ") + text
    return out


def _other_verb(verb: str, thing: str, rng: random.Random) -> str:
    """Perhaps another word for what is to be done."""
    if verb in _GET:
        return rng.choice(_SPOKEN_GET) if rng.random() < 0.7 else verb
    if verb in LIKE and rng.random() < 0.4 and not _CLAUSE.match(thing):
        return rng.choice(LIKE[verb].split(", "))
    return verb


def frame(target: Target, pairs: Pairs, rng: random.Random, bare: bool = False) -> str:
    """A whole request; `bare`: one clause without greetings, to be joined with others."""
    given = {argument.name for argument, said in pairs if said.text}
    usable = [ask for ask, names in target.asks if names <= given]
    if usable and rng.random() < 0.6:
        text = _fill(rng.choice(usable), pairs, rng)
        return text if bare else _decorate(text, rng)
    verb, thing, mentions = _core(target, pairs, rng)
    begun = thing[:3] == target.object[:3]  # else a value may stand in front, and stays as it is written
    verb = _other_verb(verb, thing, rng)
    action = f"{verb} {thing}".strip()
    style = (
        "imperative"
        if bare
        else rng.choices(
            ("imperative", "polite", "question", "given", "clauses", "pairs", "terse"), (28, 24, 16, 9, 10, 7, 6)
        )[0]
    )
    orders = [mention for mention in mentions if mention.boolean and rng.random() < 0.6]
    body = [mention for mention in mentions if mention not in orders]
    if style == "pairs" and len(mentions) >= 1:
        noun = re.sub(r"^(?:for|of|in|on|to|from|whether|if) ", "", thing) or action
        whole = len(mentions) == sum(argument.kind != "null" and said.text != "" for argument, said in pairs)
        head = rng.choice((action, noun, words_of(target.name) if whole else noun))  # the name would lose a value
        separator = rng.choice(("\n", "\n", ", ", "; ", " | "))
        return (
            _capital(head, rng, 0.6 if begun else 0)
            + rng.choice((":", " -", ".", " –"))
            + (separator if separator == "\n" else " ")
            + separator.join(mention.pair() for mention in mentions)
        )
    if style == "clauses" and body:
        clauses = join([mention.clause() for mention in body], rng)
        request = _request(target, verb, thing, "", rng)
        told = f"{request} {_capital(clauses)}."
        where = f"{_bare_end(request)}, where {clauses}."
        where = told if "its" in clauses or request.endswith("?") else where
        text = rng.choice((f"{_capital(clauses)}. {request}", told, where))
    elif style == "given" and body and not any(mention.boolean for mention in body):
        nouns = join([mention.noun() for mention in body], rng)
        lead = rng.choice(("Given", "With", "For", "Using", "Assuming"))
        text = f"{lead} {nouns}, {_small(_request(target, verb, thing, '', rng))}"
    elif style == "terse":
        text = _capital(
            f"{re.sub('^(for|of|in|on|to|from) ', '', thing) or action}{_attach(body, rng)}", rng, 0.4 if begun else 0
        )
    elif style == "question":
        text = _question(target, verb, thing, _attach(body, rng), rng)
    elif style == "polite":
        text = _polite(action, _attach(body, rng), rng)
    else:
        text = _capital(action + _attach(body, rng), rng, 0.93) + ("" if rng.random() < 0.1 and not orders else ".")
    for mention in orders:
        text = (
            text.rstrip()
            + ("" if text.rstrip().endswith((".", "?", "!")) else ".")
            + " "
            + _capital(mention.order())
            + "."
        )
    return text if bare else _decorate(text, rng)


def _polite(action: str, rest: str, rng: random.Random) -> str:
    frame = rng.choice(_PLEASE)
    if found := re.match(r"(give|show|tell|get) me ", action):
        lead = "get "
        if frame.startswith(
            ("I need to", "I want to", "I'd like to", "Is it", "{}", "I would", "I want you", "I need you")
        ):
            lead = (
                {"give": "have ", "show": "see ", "tell": "know ", "get": "get "}[found[1]]
                if " to {}" in frame and "you" not in frame
                else found[0]
            )
        elif frame.startswith(("Can you {", "Could", "Can you please", "Please", "Are you", "Kindly")):
            lead = found[0]
        action = lead + action[len(found[0]) :]
    return _capital(frame.format(action + rest))


def _question(target: Target, verb: str, thing: str, rest: str, rng: random.Random) -> str:
    if target.verb in (*_GET, *_ASK) and re.match(r"(the|current|average|total|latest|estimated|all) ", thing):
        noun = thing if thing.startswith("the ") else f"the {thing}"
        be = "are" if plural(noun.split(" of ")[0].split(" for ")[0].split(" in ")[0].split(" between ")[0]) else "is"
        lead = rng.choice(
            (
                f"What {be} ",
                f"What {be} ",
                f"What{chr(39)}s " if be == "is" else "What are ",
                "Can you tell me ",
                "Do you know ",
                "I'd like to know ",
            )
        )
        return f"{lead}{noun}{rest}" + ("." if lead.startswith("I'd") else "?" if rng.random() < 0.9 else "")
    if target.verb in ("search", "find", "list", "filter", "recommend") and re.match(r"(?:for )?[a-z]+s$", thing):
        things = thing.removeprefix("for ")
        return rng.choice(
            (
                "Are there any {}{}?",
                "Which {}{} are there?",
                "I'm looking for {}{}.",
                "Do you have {}{}?",
                "What {} can you find{}?",
                "Got any {}{}?",
                "Show me {}{}.",
                "I need a list of {}{}.",
                "Any {}{}?",
            )  # fmt: skip
        ).format(things, rest)
    if target.verb in ("create", "add", "register", "save", "make") and re.match(r"an? [a-z ]+$", thing):
        noun = thing.split(" ", 1)[1].removeprefix("new ")
        return (
            rng.choice(
                (
                    "I need a new {}{}.",
                    "There is a new {}{}.",
                    "New {}{}.",
                    "Please set up a {}{}.",
                    "Could we have a {}{}?",
                    "Put in a {}{}.",
                )
            )
            .format(noun, rest)
            .replace(" a " + noun, f" {article(noun)} {noun}")
        )
    return _polite(f"{verb} {thing}".strip(), rest, rng)


def _request(target: Target, verb: str, thing: str, rest: str, rng: random.Random) -> str:
    roll = rng.random()
    if roll < 0.4:
        return _capital(f"{verb} {thing}".strip() + rest) + "."
    return _question(target, verb, thing, rest, rng) if roll < 0.7 else _polite(f"{verb} {thing}".strip(), rest, rng)


def _fill(ask: str, pairs: Pairs, rng: random.Random) -> str:
    """A ready request with its values put in, and what it has no place for after it."""
    texts, rest = {}, []
    for argument, said in pairs:
        if "{" + argument.name + "}" in ask:
            followed = re.search(
                "{"
                + argument.name
                + r"}(?=[-^]| (?:days|hours|minutes|percent|degrees|liters|dollars|years?|[a-z]+s\b))",
                ask,
            )
            texts[argument.name] = said.bare if said.bare and followed else quote(argument, said, rng)
        elif argument.kind != "null" and said.text:
            rest.append(Mention(argument, said, rng))
    text = ask.format_map(texts)
    if not rest:
        return text
    if rng.random() < 0.5 and not any(mention.boolean for mention in rest) and "\n" not in text:
        return _bare_end(text) + _attach(rest, rng) + text[len(_bare_end(text)) :]
    sentences = [
        mention.order()
        if mention.boolean
        else mention.clause()
        if rng.random() < 0.6
        else f"use {mention.text} as the {mention.argument.nouns[0]}"
        for mention in rest
    ]
    return (
        text + ("" if text[-1] in ".?!" else ".") + " " + ". ".join(_capital(sentence) for sentence in sentences) + "."
    )


def _bare_end(text: str) -> str:
    """Without its full stop or question mark; an exclamation mark is a value's own."""
    return text[:-1] if text[-1:] in ".?" else text


def _capital(text: str, rng: random.Random | None = None, chance: float = 1) -> str:
    return text[:1].upper() + text[1:] if rng is None or rng.random() < chance else text


def _small(text: str) -> str:
    return text if text.startswith(("I ", "I'")) else text[:1].lower() + text[1:]


def _decorate(text: str, rng: random.Random) -> str:
    """Perhaps a greeting, a story or thanks around a request; perhaps no capitals or full stop."""
    roll = rng.random()
    if roll < 0.06:
        opening = rng.choice(_OPEN)
        text = f"{opening} {text if opening[-1] in '.!' else _small(text)}"
    elif roll < 0.14:
        text = f"{rng.choice(_STORY)} {_capital(text)}"
    elif roll < 0.19:
        text = f"{text}{'' if text[-1] in '.?!' else '.'} {rng.choice(_CLOSE)}"
    elif roll < 0.23 and text.endswith((".", "?")):
        text = text[:-1]
    return text


def vary(
    target: Target,
    shared: Pairs,
    varied: Mapping[Argument, Sequence[Said]],
    rng: random.Random,
    bare: bool = False,
) -> str:
    """One request for several calls that differ in some arguments, each with a value per call; `bare`: see [`frame`].

    `for Paris, London and Rome`; `for Paris and Rome with a limit of 5 and 8, respectively`.
    """
    text = frame(target, [*shared, *_together(varied, rng)], rng, bare)
    if len(varied) > 1:  # else every combination is meant
        text = _before_end(text, rng.choice((" respectively", ", respectively", ", in that order")))
    return (
        text
        if rng.random() < 0.8
        else text + " " + rng.choice(("One call each.", "Do each separately.", "I need all of them."))
    )


def combine(
    target: Target,
    shared: Pairs,
    varied: Mapping[Argument, Sequence[Said]],
    rng: random.Random,
    bare: bool = False,
) -> str:
    """One request for a call for every combination of the values of some arguments: `rock and jazz in Rome and Oslo`.

    That all combinations are meant is hardly ever said, as people leave it out.
    """
    text = frame(target, [*shared, *_together(varied, rng)], rng, bare)
    roll = rng.random()
    if roll < 0.15:
        return _before_end(
            text, rng.choice((", in all combinations", ", each with each", " in each case", ", for each"))
        )
    if roll < 0.25:
        return (
            text + " " + rng.choice(("All combinations, please.", "Every combination counts.", "I need all of them."))
        )
    return text


def _together(varied: Mapping[Argument, Sequence[Said]], rng: random.Random) -> list[tuple[Argument, Said]]:
    """Of each argument its values as one: `Paris, London and Rome`, `both Paris and London`."""
    link = rng.choice((" and ", " and ", ", and ", " as well as "))
    both = "both " if rng.random() < 0.15 else ""
    found = []
    for argument, values in varied.items():
        text = join([quote(argument, said, rng) for said in values], rng, link)
        text = both + text if len(values) == 2 and argument.kind != "date" else text
        found.append((argument, Said(tuple(said.value for said in values), text, True)))
    return found


def gather(asked: Sequence[tuple[Target, Pairs]], thing: Argument, values: Sequence[Said], rng: random.Random) -> str:
    """One request to several tools about the same thing, or things, said once: `For Oslo and Rome, get the weather and
    find the time zone.`
    """
    ((_, said),) = _together({thing: values}, rng)
    noun = rng.choice(thing.nouns)
    roll = rng.random()
    parts = [frame(target, pairs, rng, bare=True) for target, pairs in asked]
    if roll < 0.4:  # said first
        lead = Mention(thing, said, rng).adjunct()[0].strip() if rng.random() < 0.4 else f"for {said.text}"
        if not re.match(r"(?:for|in|at|on|from|to|with|of|by|about) ", lead):
            lead = f"for {said.text}"
        return f"{_capital(lead)}, {_small(sequence(parts, rng))}"
    if roll < 0.55:  # a sentence of its own
        lead = rng.choice(
            ("I have a question about {}.", "This is about {}.", "It's about {}.", "I am interested in {}.")
        )
        return f"{lead.format(said.text)} {sequence(parts, rng)}"
    # said with the first one, or the last
    (target, pairs), many = asked[0], len(values) > 1
    first = frame(target, [*pairs, (thing, said)], rng, bare=True)
    again = (
        ("for the same ones", "for each of them", "for them too", "for both", "there as well")
        if many
        else (f"for the same {noun}", "for it", "for it as well", "there", f"for that {noun}")
    )
    rest = [
        _before_end(part, f" {rng.choice(again).replace('both', 'all' if len(values) > 2 else 'both')}")
        if rng.random() < 0.5 and "\n" not in part
        else part
        for part in parts[1:]
    ]
    return sequence([first, *rest], rng)


def _before_end(text: str, more: str) -> str:
    """With something put before the full stop or question mark."""
    whole = _bare_end(text)
    return whole + more + text[len(whole) :]


_AGAIN = ("{}", "{}", "then {}", "once more {}", "another {}", "do the same {}", "again {}", "also {}")
_WHAT_ABOUT = ("What about {}?", "How about {}?", "And {}?", "Do it {} too.", "And the same {}.", "Then {}.")


def repeat(target: Target, shared: Pairs, sets: Sequence[Pairs], rng: random.Random) -> str:
    """One request for several calls, of which each has values of its own: `the area for a radius of 5 and a height of
    2, and then for a radius of 3 and a height of 8`. The values of `shared` are the same for all.
    """
    verb, thing, mentions = _core(target, shared, rng)
    verb = _other_verb(verb, thing, rng) if rng.random() < 0.5 else verb
    switches = [mention.order() for mention in mentions if mention.boolean]
    mentions = [mention for mention in mentions if not mention.boolean]
    alike, seed = rng.random() < 0.8, rng.random()
    parts = []
    for number, pairs in enumerate(sets):  # the same words for each, mostly
        own = random.Random(seed if alike else seed + number)
        said = [Mention(argument, value, own) for argument, value in pairs]
        part = _attach(said, own).strip(" ,")
        parts.append(part if part[0].isalnum() else "with " + join([mention.noun() for mention in said], own))
    head, rest = f"{verb} {thing}".strip() + _attach(mentions, rng), parts[1:]
    text = _repeated(head, parts, rest, rng)
    return " ".join([text, *(f"{_capital(switch)}." for switch in switches)])


def _repeated(head: str, parts: Sequence[str], rest: Sequence[str], rng: random.Random) -> str:
    """What is asked for, and for each call the values of its own."""
    roll = rng.random()
    if roll < 0.3:
        again = rng.choice(_AGAIN)
        return _capital(f"{head} {join([parts[0], *(again.format(part) for part in rest)], rng)}") + "."
    if roll < 0.5:
        lead = _capital(f"{head} {parts[0]}") + "."
        return f"{lead} {' '.join(rng.choice(_WHAT_ABOUT).format(part) for part in rest)}"
    if roll < 0.65:
        words = ("first", "second", "third", "fourth", "fifth")
        told = "; ".join(f"the {word} {part}" for word, part in zip(words, parts, strict=False))
        return f"{_capital(head)} {rng.choice(('for these', 'for each of these', 'in several'))} cases: {told}."
    if roll < 0.8:
        ways = [f"{number}{mark} {part}" for mark in rng.choice(".)") for number, part in enumerate(parts, 1)]
        return f"{_capital(head)}:\n" + "\n".join(ways)
    if roll < 0.9:
        return f"{_capital(head)}: {rng.choice(('; ', ' / ', ', then ', ' and ')).join(parts)}."
    first, *more = [f"once {part}" for part in parts]
    return f"{_capital(head)}, {join([first, *more], rng)}."


_NEXT = (
    *5 * ("{}",), "Also, {}", "Then {}", "After that, {}", "Next, {}", "I also need this: {}", "In addition, {}",
    "On another note, {}", "One more thing: {}",
)  # fmt: skip


def sequence(parts: Sequence[str], rng: random.Random) -> str:
    """Several requests as one text, in order."""
    if any("\n" in part or "?" in part or ". " in part for part in parts) or rng.random() < 0.3:
        ended = [_capital(part) + ("" if part[-1] in ".?!" else ".") for part in parts]
        if any("\n" in part for part in parts):
            return "\n".join(ended)
        return " ".join([ended[0], *(_capital(rng.choice(_NEXT).format(_small(part))) for part in ended[1:])])
    parts = [_bare_end(part) for part in parts]
    if len(parts) == 2:
        return (
            _capital(parts[0])
            + rng.choice((" and ", ", and also ", ". Then ", ". Also, ", ", then ", " and then "))
            + _small(parts[1])
            + "."
        )
    style = rng.randrange(3)
    if style == 0:
        return "".join(f"{number}. {_capital(part)}\n" for number, part in enumerate(parts, 1)).strip()
    if style == 1:
        words = ("First, ", "Then ", "After that, ", "Finally, ")
        lead = [words[0], *(rng.choice(words[1:3]) for _ in parts[2:]), words[3]]
        return " ".join(word + _small(part) + "." for word, part in zip(lead, parts, strict=True))
    return (
        _capital(", ".join(map(_small, parts[:-1])))
        + rng.choice((", and ", ", and finally ", ", then "))
        + _small(parts[-1])
        + "."
    )


def question(missing: Sequence[Argument], rng: random.Random) -> str:
    """What an assistant asks for."""
    nouns = join([argument.nouns[0] for argument in missing], rng, " and ")
    frames = (
        "What {be} the {nouns}?", "Could you tell me the {nouns}?", "Please give me the {nouns}.",
        "I still need the {nouns}.",
        "Which {nouns} should I use?", "Sure. What {be} the {nouns}?", "To do that I need to know the {nouns}.",
    )  # fmt: skip
    return rng.choice(frames).format(nouns=nouns, be="are" if len(missing) > 1 or plural(nouns) else "is")


def answer(pairs: Pairs, rng: random.Random) -> str:
    """What a user answers to it."""
    mentions = [Mention(argument, said, rng) for argument, said in pairs]
    if len(mentions) == 1 and not mentions[0].boolean and rng.random() < 0.6:
        text = mentions[0].text
        return rng.choice(
            (text, text, f"{text}, please", f"Let's say {text}", f"It's {text}.", f"Oh, {text}", f"Make it {text}.")
        )
    return _capital(join([mention.clause() for mention in mentions], rng)) + "."
