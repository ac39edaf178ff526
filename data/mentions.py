"""How one value attaches to a request: `in Tokyo`, `a radius of 5`, `the radius is 5`, `radius: 5`, `don't notify`."""

import random
import re

from .arguments import Argument
from .values import Said

VERBS = set(
    """get retrieve fetch return find search calculate compute determine create add update delete remove send book make
    set generate convert translate check list analyze analyse show display provide obtain estimate evaluate predict
    simulate compare plan schedule cancel order buy sell track monitor play stop start turn adjust control log
    record save load read write upload download open close move copy rename sort filter count validate verify
    encrypt decrypt encode decode parse extract summarize classify detect identify recommend suggest solve plot
    draw measure assess optimize apply perform run execute submit register subscribe post share invite assign
    approve reject review rate draft format split merge combine resize crop rotate compress query lookup look
    invest transfer pay withdraw deposit reserve rent design develop build install configure manage process access
    browse explore learn match model locate call connect scan test diagnose treat prescribe publish notify remind
    report reset restore backup archive tag label enable disable toggle dim change modify edit replace insert
    append select choose allocate balance forecast investigate interpret improve conduct collect gather issue
    request initiate establish launch implement organize arrange mix roll flip pick sample shuffle tune transcribe
    transpose compose integrate differentiate factor simplify expand round normalize rank score visualize map
    geocode ping resolve block unblock mute restock ship dispatch return-item lock unlock water feed mow brew cook
    bake prepare train hire enroll file appeal cite renew redeem exchange refund inspect examine offer handle
    discover trace authenticate export activate raise heat warm preheat vacuum put text email escalate suspend
    distribute borrow ensure promote terminate pause resume synchronize sync import decline accept discuss sign
    grade teach study watch reorder transform swap undo redo flag vote bid donate hash mine lend greet scale
    multiply divide fit project back deploy reverse cluster answer""".split()
)  # fmt: skip

LIKE = {  # other words for what is to be done, whatever it is done to
    "add": "put in, include, enter, insert", "analyze": "look into, examine, study", "approve": "accept, sign off on",
    "arrange": "set up, organize", "assign": "give, allot", "book": "reserve, arrange, get",
    "buy": "order, purchase, get", "calculate": "work out, figure out, compute, determine", "cancel": "call off, drop",
    "change": "update, modify, adjust", "check": "look at, verify, examine", "collect": "pick up, gather, fetch",
    "compute": "work out, figure out, calculate", "conduct": "do, carry out, run", "count": "tally, add up",
    "create": "make, set up, add, put together", "delete": "remove, get rid of, erase, drop",
    "determine": "work out, figure out, find out", "dispatch": "send out, send", "download": "fetch, pull down",
    "draft": "write, put together", "draw": "sketch, make", "edit": "change, modify, update",
    "estimate": "roughly work out, approximate, gauge", "evaluate": "assess, work out", "execute": "run, carry out",
    "fetch": "pick up, collect", "filter": "narrow down", "generate": "make, produce, come up with, create",
    "hire": "take on, get", "inspect": "look at, examine, check", "investigate": "look into, examine",
    "locate": "find, track down", "log": "note down, record, write down", "make": "create, put together",
    "modify": "change, adjust, update", "monitor": "watch, keep an eye on", "move": "shift, bring, take, transfer",
    "order": "buy, get, purchase", "perform": "do, carry out, run", "pick": "choose, select", "plan": "map out",
    "play": "put on, start", "predict": "forecast, foresee", "publish": "put out, post",
    "recommend": "suggest, propose, come up with", "record": "log, note down, write down",
    "register": "enter, record, put down", "reject": "turn down, refuse", "remove": "delete, take out, get rid of",
    "rent": "hire, get", "report": "log, file, tell them about", "reserve": "book, hold, set aside",
    "restock": "refill, top up", "save": "store, keep", "schedule": "arrange, set up, plan, book",
    "send": "send out, send off", "set": "adjust, put", "share": "pass on", "ship": "send, dispatch",
    "solve": "work out, crack", "start": "begin, kick off", "stop": "end, halt", "submit": "hand in, send in, file",
    "suggest": "recommend, propose, come up with", "summarize": "sum up, condense", "track": "follow, trace",
    "transfer": "move, send", "update": "change, modify, adjust, edit", "validate": "check, verify",
    "verify": "check, confirm", "write": "put together, draft",
}  # fmt: skip

ADJECTIVES = set(
    """available electric indoor outdoor indoors outdoors remote public private online urgent express vegetarian vegan
    paid fragile insured secured refundable anonymous hidden transparent pinned favorite active closed renewable
    filled calibrated cleaned refrigerated injured explicit multiplayer hardcover nonstop direct blocked
    recursive descending ascending verbose automatic formal virtual renovated organic unique vaccinated pregnant
    employed furnished independent detailed ionized charged friendly sunny inclusive exact strict monthly weekly
    daily locked open detached manual premium married distinct clockwise doubled case-sensitive encrypted sorted
    paginated international domestic featured verified enabled visible archived completed recurring round-trip
    free new used waterproof dense""".split()
)  # fmt: skip
_DEEDS = {
    "compress": "compress it", "overwrite": "overwrite what is there", "shuffle": "shuffle it", "notify": "notify me",
    "refund": "refund it", "repeat": "repeat it", "reverse": "reverse it", "normalize": "normalize it",
    "cache": "cache it",
    "translate": "translate it", "mop": "mop too", "alert": "alert me", "backup": "back it up", "pay": "pay it",
    "renew": "renew it",
    "auto renew": "renew it automatically", "remind": "remind me", "round": "round it", "sort": "sort it",
    "log": "log it",
    "reinvest": "reinvest", "charts": "include charts", "reminder": "remind me", "dry run": "do a dry run first",
    "gift wrap": "wrap it as a gift", "shipping included": "include shipping", "avoid tolls": "avoid tolls",
    "test": "test it",
    "leave at door": "leave it at the door", "auto correct": "correct it automatically", "save": "save it",
    "download": "download it",
}  # fmt: skip
_STATES = {
    "on display": "on display", "open now": "open now", "in stock": "in stock", "pets allowed": "open to pets",
    "smoking": "in the smoking area", "first visit": "my first visit", "free only": "free", "home only": "at home",
    "direct only": "direct", "single use": "for single use", "late arrival": "a late arrival",
    "half day": "a half day",
    "dry": "dry", "repeat offender": "a repeat offense", "adult": "an adult", "member": "a member",
    "attending": "something I will attend", "on": "on", "power": "on", "equal variance": "of equal variance",
}  # fmt: skip
_LEADING = {"include", "show", "use", "allow", "exclude", "ignore", "keep", "skip", "require", "wrap", "follow",
"avoid", "return", "add", "send",
            "enable", "round", "sort", "notify", "save", "generate", "display", "get", "apply", "create", "remove",
            "open", "close", "delete",
            "make", "set", "start", "calculate", "compute", "convert", "normalize", "check", "filter",
            "update"}  # fmt: skip


def article(noun: str) -> str:
    return "an" if noun[:1].lower() in "aeiou" and not noun.lower().startswith(("uni", "use", "eu", "one")) else "a"


def _of(argument: Argument, text: str, rng: random.Random) -> str:
    """A noun phrase: `a radius of 5`, `radius 5`, `5 guests`."""
    noun = rng.choice(argument.nouns)
    if argument.unit and noun.endswith(argument.unit):
        text = text.removesuffix(f" {argument.unit}")  # not `months of 7 months`
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
                if not plural(noun)
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
            f"{'' if plural(noun) else article(noun) + ' '}{noun} {rng.choice(('with', 'having', 'of', '–'))} {text}"
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
        if article(noun) == "a" and not plural(noun)
        else f"{noun} {text}"
    )


def plural(noun: str) -> bool:
    last = noun.split()[-1]
    return last.endswith("s") and not last.endswith(
        ("ss", "is", "radius", "status", "bonus", "campus", "focus", "modulus")
    )


def quote(argument: Argument, said: Said, rng: random.Random) -> str:
    """The text, in quotation marks where people would use them, and sometimes where not."""
    if argument.kind != "string" or said.joined or not isinstance(said.value, str):
        return said.text
    long = len(said.text.split()) > 3 or bool({"text", "title", "expression"} & set(argument.source))
    if rng.random() < (0.7 if long else 0.1):
        mark = '"' if "'" in said.text or rng.random() < 0.6 else "'"
        return f"{mark}{said.value if said.text != said.value else said.text}{mark}"
    return said.text


_ENDS = re.compile(
    r"(from|source|to|target) (unit|currency|language|base|coin|account|time zone|timezone|format|lang)$"
)


class Mention:
    """One value of a request, in the forms that sentences need."""

    def __init__(self, argument: Argument, said: Said, rng: random.Random):
        self.argument, self.rng = argument, rng
        self.text = quote(argument, said, rng)
        self.boolean = argument.kind == "boolean"
        self.value = said.value

    def adjunct(self) -> tuple[str, bool]:
        """What follows the verb phrase, and whether it is a noun phrase that wants a `with`."""
        argument, rng = self.argument, self.rng
        if self.boolean:
            return self._with(), False
        if argument.kind in ("string", "enum") and (found := _ENDS.match(argument.words)):
            return (
                f"{'from' if found[1] in ('from', 'source') else rng.choice(('to', 'to', 'into'))} {self.text}",
                False,
            )
        if (
            argument.kind in ("string", "date", "time", "datetime", "array")
            and argument.frames
            and rng.random() < 0.72
        ):
            if (
                argument.kind != "array"
                or argument.item
                and argument.item.kind == "string"
                and "text" not in argument.source
            ):
                named = [frame for frame in argument.frames if "{n}" in frame] or ["with the {n} {}", "with {n} {}"]
                frame = rng.choice(argument.frames if argument.lone else named)
                if self.text.startswith("the ") or plural(self.text):
                    frame = frame.replace("the {}", "{}").replace(" a {}", " {}")
                frame = frame.replace(" a {}", f" {article(self.text)} {{}}")
                return frame.format(self.text, n=rng.choice(argument.nouns)), False
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
            if roll < 0.45 and self.text[:1].isalpha():
                return (
                    f"{article(self.text)} {self.text} {noun}" if rng.random() < 0.5 else f"{self.text} {noun}",
                    True,
                )
        if argument.kind in ("integer", "number"):
            noun, text = argument.nouns[0], self.text
            unit_time = argument.unit in ("years", "days", "hours", "minutes", "weeks", "months", "nights", "seconds")
            if argument.lone and unit_time and re.search("[a-z]$", text) and rng.random() < 0.6:
                return rng.choice(("for {}", "over {}", "for {}")).format(text), False
            if argument.lone and argument.style == "year" and rng.random() < 0.7:
                return rng.choice(("in {}", "for {}", "in the year {}", "for the year {}")).format(text), False
            if argument.lone and argument.style == "month" and rng.random() < 0.5 and text[0].isupper():
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
            return self.switch()
        if len(noun) <= 2:
            return f"{noun} {self.rng.choice(('=', 'is', 'equals'))} {self.text}"
        be = "are" if plural(noun) and self.argument.kind in ("array",) else "is"
        lead = self.rng.choice(("the ", "the ", "the ", "the ", "its "))
        verb = (
            self.rng.choice((be, be, be, "should be"))
            if self.argument.kind != "object"
            else "have"
            if plural(noun)
            else "has"
        )
        return f"{lead}{noun} {verb} {self.text}"

    def pair(self) -> str:
        noun = self.rng.choice((self.argument.nouns[0], self.argument.nouns[0], self.argument.name))
        text = self.text
        if self.boolean:
            text = self.rng.choice(("yes", "true", "on") if self.value else ("no", "false", "off"))
        return f"{noun}: {text}"

    def _with(self) -> str:
        """A boolean within the sentence: `with parking`, `and notify me`."""
        (style, thing), rng = _switch(self.argument), self.rng
        if style == "do":
            found = _INCLUDE.match(thing)
            if found and rng.random() < 0.7:
                lead = rng.choice(_WITH if self.value else ("without", "with no"))
                return f"{lead} {found[1]}"
            if self.value and rng.random() < 0.4:
                return f"while {_gerund(thing)}"
            return f"and {thing}" if self.value else f"but don't {thing}"
        if style == "be":
            return rng.choice((", {}", ", {}", "({})")).format(thing if self.value else f"not {thing}")
        if style == "clause":
            return f"({self.clause()})"
        if self.value:
            return f"with {thing} enabled" if rng.random() < 0.2 else f"{rng.choice(_WITH)} {thing}"
        return rng.choice((f"without {thing}", f"without {thing}", f"with no {thing}", f"with {thing} disabled"))

    def switch(self) -> str:
        """A boolean as a clause: `it is not available`."""
        (style, thing), yes = _switch(self.argument), self.value
        if style == "clause":
            subject, be, rest = thing.split("|")
            if yes:
                return f"{subject} {be} {rest}"
            return (
                f"{subject} {be} not {rest}"
                if be in ("is", "are", "was")
                else f"{subject} does not have {rest}"
                if be == "has"
                else (f"{subject} do not have {rest}" if be == "have" else f"{subject} should not be {rest}")
            )
        if style == "be":
            return f"it {'is' if yes else self.rng.choice(('is not', 'isn' + chr(39) + 't'))} {thing}"
        if style == "do":
            return f"please {thing}" if yes else f"please don't {thing}"
        states = ("is on", "is enabled", "is wanted") if yes else ("is off", "is disabled", "is not wanted")
        return f"{thing} {self.rng.choice(states)}"

    def order(self) -> str:
        """A boolean as a sentence of its own: `Include the sources.`"""
        (style, thing), rng = _switch(self.argument), self.rng
        if style == "clause":
            return self.switch()
        frames: tuple[str, ...]
        found = _INCLUDE.match(thing) if style == "do" and self.value else None
        if found and rng.random() < 0.4:
            frames, thing = (
                ("I'd also like {}", "I also need {}", "I want to see {}, too", "give me {} as well"),
                found[1],
            )
        elif style == "do":
            frames = ("{}", "{}", "please {}", "also {}", "make sure to {}", "I want you to {}",
            "I'd also like to {}", "can you also {}", "and {}") if self.value else (
                "don't {}", "do not {}", "no need to {}", "there's no need to {}", "please don't {}",
                "I don't want you to {}"
            )  # fmt: skip
        elif style == "be":
            frames = ("it should be {}", "it must be {}", "it's {}", "it is {}", "make sure it is {}",
            "{}, please") if self.value else (
                "it should not be {}", "it's not {}", "it isn't {}", "it is not {}", "it doesn't have to be {}",
                "not {}, please"
            )  # fmt: skip
        elif style == "have":
            frames = ("it has {}", "it should have {}", "with {}", "I want {}") if self.value else (
                "it has no {}", "no {}", "without {}", "I don't want {}"
            )  # fmt: skip
        else:
            frames = ("I want {}", "with {}, please", "I'd also like {}", "{} too, please", "turn {} on",
            "set {} to true", "yes to {}", "{}: yes") if self.value else (
                "I don't want {}", "no {}, please", "turn {} off", "set {} to false", "no {}", "{}: no",
                "I don't need {}"
            )  # fmt: skip
        return rng.choice(frames).format(thing)


_WITH = ("with", "with", "with", "including", "along with", "plus")
_INCLUDE = re.compile(r"(?:include|show|add|return|display|enable) (.+)")


def _gerund(phrase: str) -> str:
    """`avoiding tolls` for `avoid tolls`."""
    verb, space, rest = phrase.partition(" ")
    if re.search(r"[^e]e$", verb):
        verb = verb[:-1]
    elif re.fullmatch(r"[^aeiou]*[aeiou][bdgmnprt]", verb):
        verb += verb[-1]
    return f"{verb}ing{space}{rest}"


_HEAD = re.compile(r" (?:in|for|from|to|if|when|or|that|with|as|by|on|at|of)\b|[.,(]")
_WHETHER_TO = re.compile(
    r"(?:whether(?: or not)? to|if true,?|set to true to|flag to|true to|option to|indicates? whether to) ([a-z]+) "
    r"([\w' -]{2,40})",
    re.I,
)
_WHETHER_IS = re.compile(
    r"(?:whether|if|true if)(?: or not)? (the [\w ]{2,30}?|your [\w ]{2,30}?) (is|are|has|have|should be) "
    r"([\w ]{2,30})",
    re.I,
)


def _switch(argument: Argument) -> tuple[str, str]:
    """What a boolean says: (`do`, `include maps`), (`be`, `free`), (`have`, `a garden`), (`clause`, …), a noun."""
    words, text = argument.words.split(), argument.description
    name = argument.words
    match = _WHETHER_TO.search(text)
    if match and match[1].lower() in VERBS | _LEADING:
        return "do", f"{match[1].lower()} {_HEAD.split(match[2].strip(), maxsplit=1)[0]}"
    if name in _DEEDS:
        return "do", _DEEDS[name]
    if name in _STATES:
        return "be", _STATES[name]
    if name in ("smoker", "student", "beginner", "veteran", "citizen"):
        return "clause", f"the person|is|a {name}"
    if match := _WHETHER_IS.search(text):
        return "clause", f"{match[1].lower()}|{match[2].lower()}|{_HEAD.split(match[3].strip(), maxsplit=1)[0]}"
    if len(words) > 1 and words[0] in _LEADING:
        return "do", name
    if words[0] in ("has", "have", "with") and len(words) > 1:
        return "have", " ".join(words[1:])
    if words[0] in ("is", "be", "are") and len(words) > 1:
        return "be", " ".join(words[1:])
    if words[-1] in ADJECTIVES and len(words) < 3 and words[0] not in VERBS:
        return "be", name
    if len(words) > 1 and words[-1] in ("only", "included", "allowed"):
        return "be", name
    return "noun", name
