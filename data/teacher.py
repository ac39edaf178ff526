"""Rows from a teacher: any model behind an endpoint that speaks OpenAI's chat completions, such as Qwen3-32B.

The teacher is shown some tools and answers with requests and calls as JSON. What it writes is checked like any row;
what does not hold is dropped and counted by reason. Rows are appended to the file as they come, so that a broken run
goes on where it stopped. Plain HTTP, since the client of `huggingface_hub` refuses even a local endpoint when it is
told to be offline.
"""

import http.client
import json
import random
import re
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .rows import Row, RowError, make_row

ROWS_AN_ANSWER = 5
ANSWERS_IN_VAIN = 8  # in a row, before we give up
REPEATED = 100  # known rows in a row, before we give up
KINDS = (
    "one call each, with all required arguments and some optional ones",
    "one call each; numbers in words, with units or thousands separators, which the call holds as plain numbers",
    "two or three calls each, of the same tool with different values or of different tools",
    "one call each, told as a story in two or three sentences, the values in another order than in the schema",
    "one call each, where the request lacks a required argument; leave it out of the call and list it in needs",
    "no call: things that none of the tools can do, though they sound alike",
)
PROMPT = """Write {count} requests that a person could make to an assistant with the tools below, and the calls that \
answer each. Kind of requests: {kind}.

Tools, as JSON:
{tools}

Every value of a call must stand in its request or follow from it. Never mention the names of tools or arguments or \
JSON. Answer with a JSON list and nothing else, each entry of the form
{{"request": "...", "calls": [{{"name": "...", "arguments": {{...}}}}], "needs": []}}
where `needs` names the required arguments that the request does not give."""


class TeacherError(OSError):
    """The teacher cannot be reached, refuses, or gives nothing that can be used; the message says what to do."""


class Teacher:
    """A model that writes rows.

    Args:
        url: of the endpoint, up to and with `/v1`.
        token: its API key, if it wants one.
        timeout: seconds that an answer may take.
        retries: how often a request is repeated after a timeout or an error of the server, with growing pauses.
        pause: seconds before the first repetition.

    Attributes:
        dropped: what the teacher wrote and we did not keep, by reason.
    """

    def __init__(
        self, url: str, model: str, token: str | None = None, timeout: float = 120, retries: int = 3, pause: float = 1
    ):
        if not url.startswith(("http://", "https://")):
            raise TeacherError(f"the teacher's address must begin with http:// or https://, got {url!r}")
        self.url, self.model, self.token = url.rstrip("/"), model, token
        self.timeout, self.retries, self.pause = timeout, retries, pause
        self.dropped: Counter[str] = Counter()

    def rows(self, tools: Sequence[Mapping[str, Any]], seed: int = 0) -> Iterator[Row]:
        """Rows without end.

        Raises:
            TeacherError: see there.
        """
        rng, vain = random.Random(seed), 0
        while True:
            offered = rng.sample(list(tools), min(len(tools), rng.randint(1, 4)))
            kept = list(self._read(self._ask(offered, rng), offered))
            vain = 0 if kept else vain + 1
            if vain == ANSWERS_IN_VAIN:
                reasons = "; ".join(f"{reason} ({count})" for reason, count in self.dropped.most_common(3))
                raise TeacherError(
                    f"{self.model} at {self.url} wrote nothing that can be used in {vain} answers: {reasons}. "
                    "Try a larger model"
                )
            yield from kept

    def _ask(self, tools: Sequence[Mapping[str, Any]], rng: random.Random) -> str:
        """One answer's text."""
        prompt = PROMPT.format(
            count=ROWS_AN_ANSWER, kind=rng.choice(KINDS), tools=json.dumps(tools, ensure_ascii=False)
        )
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": 4096,
            "temperature": 0.9,
            "seed": rng.randrange(2**31),
        }
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {self.token}"} if self.token else {}
        )
        request = urllib.request.Request(f"{self.url}/chat/completions", json.dumps(body).encode(), headers)
        trouble = ""
        for attempt in range(self.retries + 1):
            if attempt:
                time.sleep(self.pause * 2 ** (attempt - 1))
            try:
                with urllib.request.urlopen(request, timeout=self.timeout) as response:
                    return json.load(response)["choices"][0]["message"]["content"] or ""
            except urllib.error.HTTPError as error:
                trouble = f"status {error.code}"
                if error.code in (401, 403):
                    raise TeacherError(
                        f"{self.url} refuses with {trouble}: it wants an API key; set LAFUNC_TEACHER_KEY to it"
                    ) from None
                if error.code < 500 and error.code != 429:
                    said = error.read(200).decode(errors="replace")
                    raise TeacherError(
                        f"{self.url} refuses with {trouble}: {said} Check --teacher and --model"
                    ) from None
            except (urllib.error.URLError, OSError) as error:
                reason = getattr(error, "reason", error)
                trouble = "no answer in time" if isinstance(reason, TimeoutError) else str(reason)
            except (ValueError, LookupError, TypeError, http.client.HTTPException):
                trouble = "its answer is no chat completion"
        raise TeacherError(
            f"the teacher at {self.url} cannot be used after {self.retries + 1} attempts: {trouble}. Check that it "
            "runs and that --teacher ends in /v1; rows written so far are kept, and the same command goes on"
        )

    def _read(self, text: str, tools: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
        """The rows of an answer that hold."""
        text = re.sub(r"<think>.*?</think>", "", text, flags=re.S)
        match = re.search(r"\[.*\]", text, re.S)
        try:
            entries = json.loads(match[0]) if match else None
        except json.JSONDecodeError:
            entries = None
        if not isinstance(entries, list):
            self.dropped["the answer is no JSON list"] += 1
            return
        for entry in entries:
            try:
                calls = [(call["name"], call["arguments"]) for call in entry["calls"]]
                needs = [(0, name) for name in entry.get("needs") or ()]
                if any(name in arguments for _, arguments in calls[:1] for _, name in needs):
                    raise RowError("an argument is both given and needed")
                request = [{"role": "user", "content": entry["request"]}]
                yield make_row(request, tools, f"teacher:{self.model}", calls, needs=needs if calls else ())
            except RowError as error:
                self.dropped[error.reason] += 1
            except (KeyError, TypeError, AttributeError):
                self.dropped["an entry has another form"] += 1


def append_rows(path: Path, rows: Iterator[Row], count: int) -> Iterator[int]:
    """Append rows to a file of JSON lines until it holds `count` different ones; yields how many it holds.

    A last line that a broken run left unfinished is removed. The file's folder is made.

    Raises:
        TeacherError: the teacher repeats itself.
    """
    repeated = 0
    known: set[str] = set()
    if path.exists():
        text = path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            path.write_text(whole, encoding="utf-8")
        known = {json.dumps(json.loads(line)["messages"]) for line in whole.split("\n") if line}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        while len(known) < count:
            row = next(rows)
            key = json.dumps(row["messages"])
            repeated = repeated + 1 if key in known else 0
            if repeated == REPEATED:
                raise TeacherError(
                    f"the teacher repeats itself: {len(known)} different rows, then {REPEATED} known ones; "
                    f"{path} keeps them. Ask for fewer rows, or give it more tools"
                )
            if not repeated:
                known.add(key)
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                file.flush()
            yield len(known)
