"""Other libraries that constrain a language model to a JSON Schema, over the very weights that LaFuNC reads.

Every peer reads the token ids that LaFuNC reads, then the forced text `<tool_call>` and a newline, and
writes one JSON value: `{"name": …, "arguments": {…}}` for any of the offered tools, or an array of such objects when
several calls are wanted. Decoding is greedy. Writing ends with the character that completes the value, so nobody pays
a pass for an end token. What a library builds once for a tokenizer is built when it is opened; compiling the schemas
of a request is part of the request, because each brings its own tools.

    xgrammar    transformers' `generate` with `xgrammar.contrib.hf.LogitsProcessor`. `any_whitespace=False`: JSON as
                the prompt shows it, without a choice of white space.
    llguidance  the engine of guidance, as `LLMatcher` in a loop of our own over the base and its key-value cache,
                with guidance's JSON options; forced tokens are appended without a pass of their own. guidance 0.3.1
                itself takes its prompt as text, and with transformers 5.23 its second request fails in
                `DynamicCache.crop`.
    outlines    transformers' `generate` with the logits processor that `outlines.Generator` builds for a
                `JsonSchema`; a generator takes text, and we need the same token ids.
    llamacpp    llama-cpp-python on the base's GGUF file, with `LlamaGrammar.from_json_schema`; as many threads as
                torch has. Its weights stay quantized as they are in the file; the others run them dequantized.

The transformers peers run `model.base` itself, not a copy. Objects that declare properties are closed to further keys,
since LaFuNC never writes any.

```python
>>> peers, missing = open_peers(["xgrammar", "llamacpp"], model, processor)
>>> missing
{'llamacpp': 'llama-cpp-python is not installed: pip install .[peers]'}
>>> peers["xgrammar"].call(processor.prompt(messages, tools), tools).calls
[('get_weather', {'location': 'Tokyo'})]
```
"""

import atexit
import copy
import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import torch
from transformers import DynamicCache, StoppingCriteria

from ..base_lafunc import locate
from ..modeling_lafunc import LaFuncModel
from ..processing_lafunc import LaFuncProcessor

OPENING = "<tool_call>\n"
CONTEXT = 8192  # tokens that llama.cpp allocates a key-value cache for, if the base reads as many


class MissingPeer(Exception):
    """A peer that cannot run here; the message says why."""


@dataclass
class PeerAnswer:
    """What a peer wrote.

    Attributes:
        calls: (name, arguments) of each call; empty if the text is no JSON of calls.
        text: as written, after the forced opening.
        tokens: written, forced ones included, the opening not.
        passes: evaluations of the base, the prompt's included.
        valid: the text parses, calls offered tools only, and the arguments validate.
        error: why it is not valid.
    """

    calls: list[tuple[str, dict[str, Any]]]
    text: str
    tokens: int
    passes: int
    valid: bool
    error: str | None = None


class Peer:
    """A library, opened over a base.

    Attributes:
        name: one of `PEERS`.
        package: its distribution.
        version: of the distribution.

    Raises:
        MissingPeer: the package is not installed, or cannot run this base.
    """

    name: str
    package: str

    def __init__(self, model: LaFuncModel, processor: LaFuncProcessor):
        self.base, self.tokenizer, self.vocabulary = model.base, processor.tokenizer, processor.vocabulary
        self.size = self.base.config.get_text_config().vocab_size  # of the logits; the tokenizer may know fewer
        self.opening = self.vocabulary.encode(OPENING)
        self.open(model.config.base)
        self.version = metadata.version(self.package)

    def open(self, source: str | None) -> None:
        """Build what holds for all requests. `source`: where the base is, see [`locate`]."""
        raise NotImplementedError

    def write(self, ids: list[int], schema: Mapping[str, Any], limit: int) -> tuple[list[int], int]:
        """(tokens written after `ids`, evaluations of the base); at most `limit` tokens."""
        raise NotImplementedError

    def call(
        self,
        prompt: Sequence[int],
        tools: Sequence[Mapping[str, Any]],
        calls: tuple[int, int] = (1, 1),
        max_new_tokens: int = 512,
    ) -> PeerAnswer:
        """Answer one request.

        Args:
            prompt: token ids, up to where the assistant begins.
            tools: `{"name", "description", "parameters"}` each.
            calls: the least and the largest number of calls; an array is written if the latter exceeds 1.

        Raises:
            Exception: whatever the library raises, such as for a schema that it cannot honour.
        """
        tokens, passes = self.write([*prompt, *self.opening], answer_schema(tools, calls), max_new_tokens)
        text = self.text(tokens)
        try:
            read = json.loads(text)
            found = [(call["name"], call["arguments"]) for call in (read if calls[1] > 1 else [read])]
        except (ValueError, KeyError, TypeError) as error:
            full = f"no complete call within {max_new_tokens} tokens; " if len(tokens) >= max_new_tokens else ""
            return PeerAnswer([], text, len(tokens), passes, False, f"{full}{type(error).__name__}: {error}")
        fault = find_fault(found, tools)
        return PeerAnswer(found, text, len(tokens), passes, fault is None, fault)

    def text(self, tokens: Sequence[int]) -> str:
        return self.vocabulary.decode_bytes(tokens).decode(errors="replace")

    def complete(self, tokens: Sequence[int]) -> bool:
        """Whether the JSON value is closed: it is an object or an array, which parse only when they are."""
        if not (self.vocabulary.bytes[tokens[-1]] or b"").rstrip().endswith((b"}", b"]")):
            return False
        try:
            json.loads(self.text(tokens))
        except ValueError:
            return False
        return True

    def generate(self, ids: list[int], limit: int, logits_processor: Any) -> tuple[list[int], int]:
        """transformers' `generate`, greedy: (tokens written, evaluations of the base)."""
        prompt = torch.tensor([ids], device=self.base.device)  # [1, P]
        with self._passes() as passes:
            found = self.base.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                do_sample=False,
                repetition_penalty=1.0,
                max_new_tokens=limit,
                eos_token_id=self.tokenizer.eos_token_id,
                pad_token_id=self.tokenizer.eos_token_id,
                logits_processor=[logits_processor],
                stopping_criteria=[_Complete(self, len(ids))],
            )
        return found[0, len(ids) :].tolist(), len(passes)

    @contextmanager
    def _passes(self) -> Iterator[list[None]]:
        """A list that grows by one with each evaluation of the base."""
        passes: list[None] = []
        hook = self.base.register_forward_pre_hook(lambda *_: passes.append(None))
        try:
            yield passes
        finally:
            hook.remove()

    def _import(self, module: str) -> ModuleType:
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name and error.name.partition(".")[0] != module.partition(".")[0]:
                raise MissingPeer(f"{self.package} is installed but cannot be imported: {error}") from error
            raise MissingPeer(f"{self.package} is not installed: pip install .[peers]") from error
        except (ImportError, OSError, RuntimeError) as error:
            raise MissingPeer(f"{self.package} is installed but cannot be imported: {error}") from error


class _Complete(StoppingCriteria):
    """Ends `generate` when the JSON value is closed."""

    def __init__(self, peer: Peer, start: int):
        self.peer, self.start = peer, start

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs) -> torch.Tensor:
        done = [self.peer.complete(row) for row in input_ids[:, self.start :].tolist()]
        return torch.tensor(done, device=input_ids.device)  # [B]


class XGrammar(Peer):
    name = package = "xgrammar"

    def open(self, source):
        xgrammar = self._import("xgrammar")
        self._processor = self._import("xgrammar.contrib.hf").LogitsProcessor
        info = xgrammar.TokenizerInfo.from_huggingface(self.tokenizer, vocab_size=self.size)
        # Without its cache, so that a request that is repeated compiles its tools anew, as with the other peers.
        self._compiler = xgrammar.GrammarCompiler(info, max_threads=torch.get_num_threads(), cache_enabled=False)

    def write(self, ids, schema, limit):
        grammar = self._compiler.compile_json_schema(json.dumps(schema), any_whitespace=False)
        return self.generate(ids, limit, self._processor(grammar))


class LLGuidance(Peer):
    name = package = "llguidance"
    # What `guidance.json` asks for; without flexible white space, most of the punctuation is forced.
    options = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": ", "coerce_one_of": True}

    def open(self, source):
        self._matcher = self._import("llguidance").LLMatcher
        self._tokenizer = self._import("llguidance.hf").from_tokenizer(self.tokenizer, n_vocab=self.size)

    @torch.inference_mode()
    def write(self, ids, schema, limit):
        matcher = self._matcher(
            self._tokenizer, self._matcher.grammar_from_json_schema(json.dumps(schema), overrides=self.options)
        )
        cache = DynamicCache(config=self.base.config)
        written: list[int] = []
        unread, passes = ids, 0
        while not matcher.is_stopped() and len(written) < limit:
            tokens = matcher.compute_ff_tokens()
            if not tokens:
                logits = self.base(
                    input_ids=torch.tensor([unread], device=self.base.device),
                    past_key_values=cache,
                    use_cache=True,
                    logits_to_keep=1,
                ).logits[0, -1]  # [V]
                passes += 1
                unread = []
                allowed = torch.frombuffer(bytearray(matcher.compute_logit_bias()), dtype=torch.uint8)  # [V]
                tokens = [int(logits.masked_fill(allowed.to(logits.device) == 0, float("-inf")).argmax())]
            matcher.consume_tokens(tokens)
            written += tokens
            unread = unread + tokens
        if matcher.is_error():
            raise ValueError(matcher.get_error())
        return written, passes


class Outlines(Peer):
    name = package = "outlines"

    def open(self, source):
        outlines = self._import("outlines")
        # A copy, because outlines sets the padding side of what it is given.
        model = outlines.from_transformers(self.base, copy.deepcopy(self.tokenizer))
        # What a Generator does for a JsonSchema, without reading the vocabulary anew for each.
        self._backend = self._import("outlines.backends")._get_backend("outlines_core", model)

    def write(self, ids, schema, limit):
        return self.generate(ids, limit, self._backend.get_json_schema_logits_processor(json.dumps(schema)))


class LlamaCpp(Peer):
    name, package = "llamacpp", "llama-cpp-python"

    def open(self, source):
        self._library = self._import("llama_cpp")
        folder, keywords = locate(source) if source else ("", {})
        if "gguf_file" not in keywords:
            raise MissingPeer(f"the base {source!r} is no GGUF file, and llama.cpp reads nothing else")
        threads = torch.get_num_threads()
        self._llama = self._library.Llama(
            str(Path(folder) / keywords["gguf_file"]),
            n_ctx=min(CONTEXT, getattr(self.base.config.get_text_config(), "max_position_embeddings", CONTEXT)),
            n_threads=threads,
            n_threads_batch=threads,
            verbose=False,
        )
        atexit.register(self._llama.close)  # its own __del__ comes too late at the end of the process
        if self._llama.n_vocab() != self.size:
            raise MissingPeer(f"the file has {self._llama.n_vocab()} tokens and the base {self.size}")

    def write(self, ids, schema, limit):
        grammar = self._library.LlamaGrammar.from_json_schema(json.dumps(schema), verbose=False)
        self._check(grammar)
        llama, written, sampled = self._llama, [], 0
        llama.reset()  # no prompt is remembered, as with the other peers
        for token in llama.generate(ids, temp=0.0, grammar=grammar):
            sampled += 1
            if self._library.llama_vocab_is_eog(llama._model.vocab, token):
                break
            written.append(token)
            if self.complete(written) or len(written) >= limit:
                break
        # The prompt is read in batches; then each token but the last is read to find the next.
        return written, -(-len(ids) // llama.n_batch) + sampled - 1

    def _check(self, grammar: Any) -> None:
        """Raises ValueError for a grammar that llama.cpp cannot read: sampling with it would end the process."""
        sampler = self._library.llama_sampler_init_grammar(
            self._llama._model.vocab, grammar._grammar.encode(), grammar._root.encode()
        )
        if not sampler:
            raise ValueError("llama.cpp cannot read the grammar that was made from the schema")
        self._library.llama_sampler_free(sampler)


KINDS = (XGrammar, LLGuidance, Outlines, LlamaCpp)
PEERS = tuple(kind.name for kind in KINDS)


def open_peers(
    names: Sequence[str], model: LaFuncModel, processor: LaFuncProcessor
) -> tuple[dict[str, Peer], dict[str, str]]:
    """The peers of these names that can run here, and why the others cannot.

    Raises:
        ValueError: a name is not one of `PEERS`.
    """
    if unknown := sorted(set(names) - set(PEERS)):
        raise ValueError(f"peer {unknown[0]!r} is unknown; the peers are {', '.join(PEERS)}")
    peers: dict[str, Peer] = {}
    missing: dict[str, str] = {}
    for kind in KINDS:
        if kind.name in names:
            try:
                peers[kind.name] = kind(model, processor)
            except MissingPeer as error:
                missing[kind.name] = str(error)
    return peers, missing


# ---------------------------------------------------------------------------------------------------- schemas


def answer_schema(tools: Sequence[Mapping[str, Any]], calls: tuple[int, int] = (1, 1)) -> dict[str, Any]:
    """The JSON Schema of an answer: a call of one of the tools, or an array of `calls[0]` to `calls[1]` of them."""
    options, definitions = [], {}
    for at, tool in enumerate(tools):
        # References move to a copy under the root, because no peer follows one through a list such as `anyOf`.
        place = f"#/$defs/tool{at}"
        arguments = _parameters(tool, place)
        if place in json.dumps(arguments):
            definitions[f"tool{at}"] = arguments
        options.append(
            {
                "type": "object",
                "properties": {"name": {"const": tool["name"]}, "arguments": arguments},
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
        )
    answer: dict[str, Any] = options[0] if len(options) == 1 else {"anyOf": options}
    if calls[1] > 1:
        answer = {"type": "array", "items": answer, "minItems": calls[0], "maxItems": calls[1]}
    return {**answer, "$defs": definitions} if definitions else answer


def _parameters(tool: Mapping[str, Any], place: str = "#") -> dict[str, Any]:
    """A tool's parameters: an object without other keys, with references that hold at `place`."""
    return closed({"type": "object", "properties": {}, **(tool.get("parameters") or {})}, place)


def closed(schema: Any, place: str = "#") -> Any:
    """A copy in which objects that declare properties take no others, with references moved from `#` to `place`."""
    if not isinstance(schema, Mapping):
        return schema  # true and false are schemas, too
    copied = dict(schema)
    for keyword, value in schema.items():
        if keyword == "$ref" and isinstance(value, str) and value.startswith("#"):
            copied[keyword] = place + value[1:]
        elif keyword in ("properties", "$defs", "definitions") and isinstance(value, Mapping):
            copied[keyword] = {name: closed(member, place) for name, member in value.items()}
        elif keyword in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(value, list):
            copied[keyword] = [closed(member, place) for member in value]
        elif keyword in ("items", "additionalProperties"):
            copied[keyword] = closed(value, place)
    if "properties" in schema:
        copied.setdefault("additionalProperties", False)
    return copied


def find_fault(calls: Sequence[tuple[str, Any]], tools: Sequence[Mapping[str, Any]]) -> str | None:
    """What is wrong with these calls of these tools, judged by the schemas; None if they are valid."""
    offered = {tool["name"]: tool for tool in tools}
    if not calls:
        return "no call"
    for name, arguments in calls:
        if name not in offered:
            return f"{name!r} was not offered"
        fault = jsonschema.exceptions.best_match(
            jsonschema.Draft202012Validator(_parameters(offered[name])).iter_errors(arguments)
        )
        if fault is not None:
            return f"{name}, {fault.json_path}: {fault.message}"
    return None
