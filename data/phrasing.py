"""Requests in a person's words for calls of tools: what is to be done, and with which values.

```python
>>> target = Target({"name": "circle_area", "description": "Calculate the area of a circle", "parameters": …})
>>> phrase(target, [(radius, Said(5, "5 cm"))], random.Random(1))
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

from .values import Argument, Said, join, read_arguments, words_of

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
_VERBS = set(
    """get retrieve fetch return find search calculate compute determine create add update delete remove send book make set
    generate convert translate check list analyze analyse show display provide obtain estimate evaluate predict simulate
    compare plan schedule cancel order buy sell track monitor play stop start turn adjust control log record save load read
    write upload download open close move copy rename sort filter count validate verify encrypt decrypt encode decode parse
    extract summarize classify detect identify recommend suggest solve plot draw measure assess optimize apply perform run
    execute submit register subscribe post share invite assign approve reject review rate draft format split merge combine
    resize crop rotate compress query lookup look invest transfer pay withdraw deposit reserve rent design develop build
    install configure manage process access browse explore learn match model locate call connect scan test diagnose treat
    prescribe publish notify remind report reset restore backup archive tag label enable disable toggle dim change modify
    edit replace insert append select choose allocate balance forecast investigate interpret improve conduct collect gather
    issue request initiate establish launch implement organize arrange mix roll flip pick sample shuffle tune transcribe
    transpose compose integrate differentiate factor simplify expand round normalize rank score simulate visualize map
    geocode ping resolve block unblock mute archive restock ship dispatch return-item estimate lock unlock water feed mow
    brew cook bake prepare train hire enroll apply file appeal cite renew redeem exchange refund inspect examine offer handle
    discover trace authenticate export filter change activate query count raise heat warm preheat vacuum put text email""".split()
)  # fmt: skip
_TAIL = re.compile(
    r"[,.;:(\[]|\b(?:given (?!name|the name)(?!\w+ name)|from the |based on|using|for (?:a |an |the )?(?:given|specified|specific|particular|provided)|by (?:its|their|the|"
    r"providing|specifying|using|name|id)|according to|from the provided|with the (?:given|specified|provided|following)|"
    r"that (?:match|meet|are|is)|which|in order to|such as|including|specified by|provided|with optional|optionally|at a given|"
    r"in a (?:given|specified|specific)|of a (?:given|specified|specific)|on a (?:given|specified|specific)|"
    r"within a (?:given|specified|specific)|between two (?:given|specified))\b"
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
    "I'm putting together a report and need some help.", "My colleague asked me about this.", "I have a meeting in ten minutes.",
    "I'm working on a small project at the moment.", "I was just talking to a friend about this.", "I'm trying to finish my homework.",
    "I don't have much time today.", "We are preparing for tomorrow's presentation.", "I've been putting this off all week.",
    "My boss needs this by tonight.", "I'm new to this, so bear with me.", "I keep forgetting how to do this myself.",
    "I'm helping my sister with something.", "Our team is in the middle of planning.", "I can't do this by hand any more.",
    "There are several things on my list today.", "I already tried it myself and got stuck.", "I want to double-check something.",
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
    "Can you {}?", "Could you {}?", "Could you please {}?", "Can you please {}?", "Would you {}?", "Would you mind helping me {}?",
    "Please {}.", "Please {}.", "I need to {}.", "I want to {}.", "I'd like to {}.", "I would like you to {}.", "I want you to {}.",
    "I need you to {}.", "Help me {}.", "Can you help me {}?", "Let's {}.", "Is it possible to {}?", "Are you able to {}?",
    "{}, please.", "Kindly {}.",
)  # fmt: skip


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
    text = re.sub(r"^(this|the) (function|api|tool|endpoint|method|service|operation)( is used to| allows (you|users) to| can| will| lets "
                  r"you)?\s+|^(allows (you|users) to|used to|use this (function|tool|api)? ?to|api to|api for|function to|tool to) ",
                  "", text, flags=re.I)  # fmt: skip
    words = text.split()
    if words:
        first = words[0].lower().strip(",")
        base = _BASE.get(first) or next(
            (
                stem
                for stem in (first, first[:-1], first[:-2], first[:-3] + "y", first[:-3], first[:-3] + "e")
                if stem in _VERBS
            ),
            "",
        )
        if base and (first == base or first.endswith(("s", "ing"))):
            return " ".join([base, *words[1:]])
        if (
            2 <= len(words) <= 12
            and first in ("the", "a", "an", "current", "your")
            or text.lower().startswith("list of")
        ):
            return "get " + text[0].lower() + text[1:]
    spoken = words_of(name.replace(".", " ").split("/")[-1]).split()
    at = next((index for index, word in enumerate(spoken) if word in _VERBS), None)
    if at is not None and at < len(spoken) - 1:
        rest = spoken[at + 1 :]
        article = (
            ""
            if rest[-1].endswith("s") and not rest[-1].endswith("ss")
            else "the "
            if spoken[at] not in _CREATE
            else "a "
        )
        return f"{spoken[at]} {article}{' '.join(rest)}"
    return f"get the {' '.join(spoken)}" if at is None else " ".join(spoken[at:]) + " it"


_CREATE = {"create", "add", "book", "make", "generate", "send", "schedule", "order", "buy", "draft", "plan", "write"}


def _action(sentence: str) -> tuple[str, str]:
    verb, _, rest = sentence.partition(" ")
    return verb.lower(), rest


def article(noun: str) -> str:
    return "an" if noun[:1].lower() in "aeiou" and not noun.lower().startswith(("uni", "use", "eu", "one")) else "a"


def _of(argument: Argument, text: str, rng: random.Random) -> str:
    """A noun phrase: `a radius of 5`, `radius 5`, `5 guests`."""
    noun = rng.choice(argument.nouns)
    if argument.kind in ("integer", "number"):
        counted = re.match(r"(?:number of|count of|quantity of|maximum|minimum|total)?\s*([a-z ]+s)$", noun)
        if (
            (noun.startswith("number of ") or argument.name.endswith("s") and not argument.unit)
            and counted
            and argument.style != "money"
        ):
            things = counted[1].removeprefix("number of ")
            if re.search(r"\d$|[a-z]$", text) and "%" not in text and rng.random() < 0.7:
                return f"{text} {things[:-1] if text in ('1', 'one') and things.endswith('s') else things}"
        if len(noun) <= 2:
            return (
                f"{noun} {rng.choice(('=', '=', 'equal to', 'of'))} {text}" if rng.random() < 0.8 else f"{noun}={text}"
            )
        roll = rng.random()
        if roll < 0.45:
            return (
                f"{'a' if article(noun) == 'a' else 'an'} {noun} of {text}"
                if not _plural(noun)
                else f"{noun} of {text}"
            )
        return (
            f"{noun} {text}"
            if roll < 0.75
            else f"{noun} of {text}"
            if roll < 0.87
            else f"{text} as the {noun}"
            if roll < 0.95
            else f"{noun} = {text}"
        )
    if argument.kind == "object":
        return (
            f"{'' if _plural(noun) else article(noun) + ' '}{noun} {rng.choice(('with', 'having', 'of', '–'))} {text}"
        )
    if len(noun) <= 2:
        return f"{noun} = {text}"
    roll = rng.random()
    if argument.kind == "array":
        return f"{noun} {text}" if roll < 0.5 else f"the {noun} {text}" if roll < 0.8 else f"{noun}: {text}"
    if roll < 0.35:
        return f"{noun} {text}"
    if roll < 0.6:
        return f"the {noun} {text}"
    if roll < 0.75:
        return f"{text} as the {noun}"
    return (
        f"{noun} set to {text}"
        if roll < 0.85 and argument.kind == "enum"
        else f"a {noun} of {text}"
        if article(noun) == "a" and not _plural(noun)
        else f"{noun} {text}"
    )


def _plural(noun: str) -> bool:
    last = noun.split()[-1]
    return last.endswith("s") and not last.endswith(("ss", "us", "is", "radius", "address"))


def _quote(argument: Argument, said: Said, rng: random.Random) -> str:
    """The text, in quotation marks where people would use them, and sometimes where not."""
    if argument.kind != "string" or said.joined or not isinstance(said.value, str):
        return said.text
    long = len(said.text.split()) > 3 or bool({"text", "title", "expression"} & set(argument.source))
    if rng.random() < (0.7 if long else 0.1):
        mark = '"' if "'" in said.text or rng.random() < 0.6 else "'"
        return f"{mark}{said.value if said.text != said.value else said.text}{mark}"
    return said.text


class _Mention:
    """One value of a request, in the forms that sentences need."""

    def __init__(self, argument: Argument, said: Said, rng: random.Random):
        self.argument, self.rng = argument, rng
        self.text = _quote(argument, said, rng)
        self.boolean = argument.kind == "boolean"
        self.value = said.value

    def adjunct(self) -> tuple[str, bool]:
        """What follows the verb phrase, and whether it is a noun phrase that wants a `with`."""
        argument, rng = self.argument, self.rng
        if self.boolean:
            return self._with(), False
        if (
            argument.kind in ("string", "date", "time", "datetime", "array")
            and argument.frames
            and rng.random() < 0.72
        ):
            if argument.kind != "array" or argument.item and argument.item.kind == "string":
                frame = rng.choice(argument.frames)
                found = frame.format(self.text, n=rng.choice(argument.nouns))
                return re.sub(r"\b([Aa]) (?=[aeioAEIO])(?!one)", r"\1n ", found) if frame.startswith(
                    ("for a {}", "of a {}", "as a {}")
                ) else found, False
        if argument.kind == "enum":
            noun = rng.choice(argument.nouns)
            if re.search("unit|language|format|currency|mode", noun):
                return f"in {self.text}" + (
                    " mode" if noun.endswith("mode") and "mode" not in self.text else ""
                ), False
            if re.search("method|algorithm|model|engine", noun):
                return f"using {rng.choice(('', 'the '))}{self.text}" + (
                    "" if rng.random() < 0.5 else f" {noun}"
                ), False
            if re.search(r"sort|order by", noun):
                return f"sorted by {self.text}" if "by" in noun.split() else f"in {self.text} order".replace(
                    "order order", "order"
                ), False
            roll = rng.random()
            if roll < 0.45 and self.text[0].isalpha():
                return (
                    f"{article(self.text)} {self.text} {noun}" if rng.random() < 0.5 else f"{self.text} {noun}",
                    True,
                )
        if argument.kind in ("integer", "number"):
            noun, text = argument.nouns[0], self.text
            unit_time = argument.unit in ("years", "days", "hours", "minutes", "weeks", "months", "nights", "seconds")
            if unit_time and re.search("[a-z]$", text) and rng.random() < 0.6:
                return rng.choice(("for {}", "over {}", "for {}")).format(text), False
            if argument.style == "year" and rng.random() < 0.7:
                return rng.choice(("in {}", "for {}", "in the year {}", "for the year {}")).format(text), False
            if argument.style == "month" and rng.random() < 0.5 and text[0].isupper():
                return rng.choice(("in {}", "for {}")).format(text), False
            if argument.style in ("percent", "fraction") and "%" in text and rng.random() < 0.5:
                return f"at {text} {noun}" if rng.random() < 0.5 else f"at {article(noun)} {noun} of {text}", False
            if re.search("budget|max.*price|price.*max", argument.words) and rng.random() < 0.5:
                return rng.choice(("for at most {}", "under {}", "for up to {}", "below {}")).format(text), False
            if re.search("temperature", argument.words) and rng.random() < 0.4:
                return f"at {text}", False
        if argument.kind == "map":
            return f"with {argument.nouns[0]} {self.text}", False
        return _of(argument, self.text, rng), True

    def noun(self) -> str:
        return _of(self.argument, self.text, self.rng)

    def clause(self) -> str:
        """`the radius is 5`"""
        noun = self.rng.choice(self.argument.nouns)
        if self.boolean:
            return f"{noun} is {self.rng.choice(('on', 'true', 'yes', 'enabled') if self.value else ('off', 'false', 'no', 'disabled'))}"
        if len(noun) <= 2:
            return f"{noun} {self.rng.choice(('=', 'is', 'equals'))} {self.text}"
        be = "are" if _plural(noun) and self.argument.kind in ("array",) else "is"
        lead = self.rng.choice(("the ", "the ", "the ", "the ", "its "))
        verb = self.rng.choice((be, be, be, "should be")) if self.argument.kind != "object" else "has"
        return f"{lead}{noun} {verb} {self.text}"

    def pair(self) -> str:
        noun = self.rng.choice((self.argument.nouns[0], self.argument.nouns[0], self.argument.name))
        text = self.text
        if self.boolean:
            text = self.rng.choice(("yes", "true", "on") if self.value else ("no", "false", "off"))
        return f"{noun}: {text}"

    def _with(self) -> str:
        thing, verbs = _switch(self.argument)
        rng = self.rng
        if verbs:
            return (
                f"{'with' if self.value else 'without'} {thing}"
                if verbs in ("include", "show", "return", "add", "have", "get", "display")
                else (f"and {verbs} {thing}" if self.value else f"but don't {verbs} {thing}")
            )
        noun = thing if thing.endswith(("mode", "option", "setting")) else thing
        if self.value:
            return rng.choice((f"with {noun} on", f"with {noun} enabled", f"with {noun} set to true", f"with {noun}"))
        return rng.choice(
            (f"with {noun} off", f"with {noun} disabled", f"with {noun} set to false", f"without {noun}")
        )

    def order(self) -> str:
        """A boolean as a sentence of its own: `Include the sources.`"""
        thing, verb = _switch(self.argument)
        rng = self.rng
        if verb in ("be", ""):
            if self.value:
                return rng.choice(
                    (
                        f"turn {thing} on",
                        f"{thing} should be on",
                        f"set {thing} to true",
                        f"I want {thing}",
                        f"make sure {thing} is on",
                    )
                )
            return rng.choice(
                (
                    f"turn {thing} off",
                    f"{thing} should be off",
                    f"set {thing} to false",
                    f"no {thing}",
                    f"make sure {thing} is off",
                )
            )
        if verb == "have":
            return (
                rng.choice((f"it has {thing}", f"it should have {thing}", f"with {thing}"))
                if self.value
                else rng.choice((f"it has no {thing}", f"no {thing}", f"without {thing}"))
            )
        if self.value:
            return rng.choice(
                ("{}", "{}", "please {}", "also {}", "make sure to {}", "I want you to {}", "and {}")
            ).format(f"{verb} {thing}")
        return rng.choice(
            (
                "don't {}",
                "do not {}",
                "no need to {}",
                "there's no need to {}",
                "please don't {}",
                "I don't want you to {}",
            )
        ).format(f"{verb} {thing}")


def _switch(argument: Argument) -> tuple[str, str]:
    """What a boolean is about and the verb it is about, if it is about one: (`sources`, `include`), (`verbose`, ``)."""
    words = argument.words.split()
    text = argument.description
    match = re.search(
        r"(?:whether(?: or not)? to|if true,?|set to true to|flag to|true to|option to|indicates? whether to) ([a-z]+) ([\w' -]{2,40})",
        text,
        re.I,
    )
    if match and match[1].lower() in _VERBS | {
        "include",
        "use",
        "allow",
        "exclude",
        "ignore",
        "keep",
        "skip",
        "require",
        "wrap",
        "follow",
    }:
        thing = _HEAD.split(match[2].strip(), maxsplit=1)[0]
        return thing, match[1].lower()
    if len(words) > 1 and words[0] in ("include", "show", "use", "allow", "exclude", "ignore", "keep", "skip", "require", "return", "add", "send",
                                       "enable", "round", "sort", "notify", "save", "generate", "display", "get", "apply", "create", "remove",
                                       "open", "close", "delete", "make", "set"):  # fmt: skip
        return " ".join(words[1:]), words[0]
    if words[0] == "has" and len(words) > 1:
        return " ".join(words[1:]), "have"
    if words[0] in ("is", "be", "with", "are", "enable") and len(words) > 1:
        return " ".join(words[1:]), ""
    return argument.words, ""


_HEAD = re.compile(r" (?:in|for|from|to|if|when|or|that|with|as|by|on|at|of)\b|[.,(]")


def phrase(target: Target, pairs: Pairs, rng: random.Random) -> str:
    """A request for one call of a tool with these values, in this or another order."""
    return frame(target, pairs, rng)


def core(target: Target, pairs: Pairs, rng: random.Random) -> tuple[str, str, list["_Mention"]]:
    """The verb phrase with the values that fit into it, and the mentions that remain to be made."""
    pairs = [(argument, said) for argument, said in pairs if argument.kind != "null"]
    if rng.random() < 0.35:
        pairs = rng.sample(pairs, len(pairs))
    mentions = [_Mention(argument, said, rng) for argument, said in pairs]
    text = target.object
    rest = []
    for mention in mentions:
        put = _substitute(text, mention) if text and rng.random() < 0.75 else None
        if put is None:
            rest.append(mention)
        else:
            text = put
    return target.verb, _cut(text), rest


_INSERTED = "\x00"


def _substitute(text: str, mention: _Mention) -> str | None:
    """The text with the phrase that speaks of an argument replaced by the value: `a given city` by `Tokyo`."""
    argument = mention.argument
    if argument.kind not in ("string", "integer", "number", "date", "datetime") or argument.style in (
        "unit",
        "fraction",
        "percent",
    ):
        return None
    last = argument.words.split()
    noun = last[0] if last[-1] in ("name", "id", "number", "code", "title") and len(last) > 1 else last[-1]
    if not noun.isalpha():
        return None
    match = re.search(
        rf"\b(?:a|an|the|its|any|that|by)? ?(?:given|specified|specific|particular|certain|provided|chosen) (?:\w+ )?{noun}s?\b(?: name| id| code)?",
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


def _attach(mentions: Sequence[_Mention], rng: random.Random) -> str:
    """` in Tokyo with a radius of 5 and 3 guests, and include maps`"""
    plain, withs, switches = [], [], []
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
        out += (", " if text.startswith(("and", "but")) else " ") + text
    return out


def frame(target: Target, pairs: Pairs, rng: random.Random, bare: bool = False) -> str:
    """A whole request; `bare`: one clause without greetings, to be joined with others."""
    given = {argument.name: said for argument, said in pairs}
    usable = [ask for ask, names in target.asks if names <= given.keys()]
    if usable and rng.random() < 0.6:
        text = _fill(rng.choice(usable), pairs, rng)
        return text if bare else _decorate(text, rng)
    verb, thing, mentions = core(target, pairs, rng)
    if verb in _GET and rng.random() < 0.7:
        verb = rng.choice(
            (
                "get",
                "find",
                "give me",
                "show me",
                "tell me",
                "get me",
                "look up",
                "fetch",
                "check",
                "find out",
                "pull up",
            )
        )
        if rng.random() < 0.5:
            verb = "get"
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
        head = rng.choice((action, thing or action, words_of(target.name)))
        separator = rng.choice(("\n", "\n", ", ", "; ", " | "))
        return (
            _capital(head, rng, 0.6)
            + rng.choice((":", " -", ".", " –"))
            + (separator if separator == "\n" else " ")
            + separator.join(mention.pair() for mention in mentions)
        )
    if style == "clauses" and body:
        clauses = join([mention.clause() for mention in body], rng)
        request = _request(target, verb, thing, "", rng)
        text = rng.choice((f"{_capital(clauses)}. {request}", f"{request} {_capital(clauses)}.", f"{_bare_end(request)}, where {clauses}."
                           if "its" not in clauses and not request.endswith("?") else f"{request} {_capital(clauses)}."))  # fmt: skip
    elif style == "given" and body and not any(mention.boolean for mention in body):
        nouns = join([mention.noun() for mention in body], rng)
        text = f"{rng.choice(('Given', 'With', 'For', 'Using', 'Assuming'))} {nouns}, {_small(_request(target, verb, thing, '', rng))}"
    elif style == "terse":
        text = _capital(f"{thing or action}{_attach(body, rng)}", rng, 0.4)
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
    if (
        action.startswith(("give me", "show me", "tell me", "get me"))
        and "me" in frame.lower().split("{")[0]
        or frame.startswith(("I ", "I'd", "Let's"))
    ):
        action = re.sub(r"^(give|show|tell|get) me ", "get " if not action.startswith("tell") else "know ", action)
    return _capital(frame.format(action + rest))


def _question(target: Target, verb: str, thing: str, rest: str, rng: random.Random) -> str:
    if target.verb in (*_GET, *_ASK) and re.match(r"(the|current|average|total|latest|estimated|all) ", thing):
        noun = thing if thing.startswith("the ") else f"the {thing}"
        be = "are" if _plural(noun.split(" of ")[0].split(" for ")[0].split(" in ")[0].split(" between ")[0]) else "is"
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
            texts[argument.name] = said.bare if said.bare and followed else _quote(argument, said, rng)
        elif argument.kind != "null":
            rest.append(_Mention(argument, said, rng))
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
    return text[:-1] if text[-1:] in ".?!" else text


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


def vary(target: Target, shared: Pairs, varied: Argument, values: Sequence[Said], rng: random.Random) -> str:
    """One request for several calls that differ in one argument: `for Paris, London and Rome`."""
    texts = [_quote(varied, said, rng) for said in values]
    both = Said(tuple(said.value for said in values), join(texts, rng), True)
    if len(texts) == 2 and rng.random() < 0.3:
        both = Said(both.value, f"both {texts[0]} and {texts[1]}", True)
    text = frame(target, [*shared, (varied, both)], rng)
    return (
        text
        if rng.random() < 0.8
        else text + " " + rng.choice(("One call each.", "Do each separately.", "I need all of them."))
    )


def sequence(parts: Sequence[str], rng: random.Random) -> str:
    """Several requests as one text, in order."""
    if any("\n" in part or "?" in part or ". " in part for part in parts) or rng.random() < 0.3:
        return " ".join(_capital(part) + ("" if part[-1] in ".?!" else ".") for part in parts)
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
