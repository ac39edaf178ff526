"""A request in a thread of its own, so that its steps can be shown, and stopped, as they come about.

```python
>>> for event in stream(lambda tell: [tell(1), tell(2)]):
...     print(event)
1
2
```
"""

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from page import Cost, Picture
from transformers import TextStreamer

MODEL = threading.Lock()  # a model answers one request at a time
END = object()
MAX_NEW_TOKENS = 256  # of an answer in chat and think mode


class Stopped(Exception):
    """Raised inside a request that nobody waits for any more."""


def stream(work: Callable[[Callable[[Any], None]], None], pause: float = 0.2) -> Iterator[Any]:
    """What `work(tell)` tells, while it works; None whenever nothing came for `pause` seconds.

    When the generator is closed, the next `tell` raises [`Stopped`] in the work. What the work raises comes out here.
    """
    events: queue.SimpleQueue[Any] = queue.SimpleQueue()
    closed = threading.Event()

    def tell(event: Any) -> None:
        if closed.is_set():
            raise Stopped
        events.put(event)

    def run() -> None:
        try:
            with MODEL:
                work(tell)
        except Stopped:
            pass
        except Exception as error:
            events.put(error)
        finally:
            events.put(END)

    threading.Thread(target=run, daemon=True).start()
    try:
        while True:
            try:
                event = events.get(timeout=pause)
            except queue.Empty:
                yield None
                continue
            if event is END:
                return
            if isinstance(event, Exception):
                raise event
            yield event
    finally:
        closed.set()


class _Text(TextStreamer):
    """Tells of an answer's text token by token."""

    def __init__(self, tokenizer: Any, tell: Callable[[Any], None]):
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self.tell = tell

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        self.tell({"stage": "text", "text": text})


def pictures(
    model: Any, processor: Any, request: str, tools: list[Any], filler: str, compare: bool, **options: Any
) -> Iterator[Picture]:
    """One request as pictures: one whenever something new is to be seen, and about five a second besides.

    Args:
        compare: answer the same request once more with the autoregressive filler, for its cost.
        options: more arguments of `generate_tool_call`.

    Raises:
        ValueError: the request cannot be answered as put (RequestError, SchemaError).
    """
    messages = [{"role": "user", "content": request}]

    def answer(filler: str, tell: Callable[[Any], None]) -> tuple[Any, float]:
        start = time.perf_counter()
        output = model.generate_tool_call(
            messages,
            tools or None,
            processor=processor,
            filler=filler,
            on_step=lambda _, entry: tell(entry),
            streamer=_Text(processor.tokenizer, tell),
            max_new_tokens=MAX_NEW_TOKENS,
            **options,
        )
        return output, time.perf_counter() - start

    def work(tell: Callable[[Any], None]) -> None:
        if tools:
            processor.compile_tools(tools)  # before the clock starts, since only the first filler would pay for it
        output, seconds = answer(filler, tell)
        tell({"stage": "answer", "output": output, "seconds": seconds})
        if compare and output.mode == "tool" and filler != "autoregressive":
            passes = iter(range(1, 1_000_000))

            def count(entry: dict[str, Any]) -> None:
                tell({"stage": "compare", "passes": next(passes) if entry["stage"] == "write" else 0})

            other, seconds = answer("autoregressive", count)
            tell({"stage": "compared", "output": other, "seconds": seconds})

    picture = Picture(request)
    yield picture
    events = stream(work)
    try:
        for event in events:
            if event is not None:
                _take(picture, event, filler)
            yield picture
    finally:
        events.close()


def named_checkpoint(environment: Mapping[str, str]) -> tuple[str, str]:
    """Which checkpoint to load, and at which revision; of a folder, that is of no matter.

    Raises:
        ValueError: none is named, or one on the Hub without a revision.
    """
    checkpoint, revision = environment.get("LAFUNC_CHECKPOINT"), environment.get("LAFUNC_REVISION")
    if not checkpoint:
        raise ValueError("name a checkpoint in LAFUNC_CHECKPOINT: a Hub id or a folder")
    if os.path.isdir(checkpoint):
        return checkpoint, "main"
    if not revision:
        raise ValueError(
            f"{checkpoint} is no folder here; to load it from the Hub, name a commit or tag in LAFUNC_REVISION, "
            "since its code will be run"
        )
    return checkpoint, revision


def warm_up(model: Any, processor: Any, request: str, tools: list[Any]) -> None:
    """Answer once, so that the first visitor does not pay for what a process does only once."""
    messages = [{"role": "user", "content": request}]
    model.generate_tool_call(messages, tools, processor=processor, mode="tool")


def _take(picture: Picture, event: dict[str, Any], filler: str) -> None:
    if event["stage"] == "answer":
        picture.finish(event["output"])
        picture.costs.append(_cost(event, filler if picture.mode == "tool" else picture.mode))
    elif event["stage"] == "compare":
        picture.status = f"The same request, autoregressive: pass {event['passes']} for the values"
    elif event["stage"] == "compared":
        cost = _cost(event, "autoregressive")
        cost.same = _calls(event["output"]) == _calls(picture.output)
        picture.costs.append(cost)
        picture.status = "Done"
    else:
        picture.add(event)


def _cost(event: dict[str, Any], name: str) -> Cost:
    stats = event["output"].stats
    filling = stats.seconds.get("fill", stats.seconds.get(name, 0.0))
    return Cost(name, stats.base_passes, stats.head_passes, event["seconds"], filling)


def _calls(output: Any) -> list[tuple[str, Any]]:
    return [(call.name, call.arguments) for call in output.tool_calls]
