"""Vocabulary: what each token of a tokenizer writes, in bytes, and which tokens write alike. No torch.

```python
>>> vocabulary = Vocabulary(tokenizer)
>>> vocabulary.decode(vocabulary.encode(' "Tokyo'))
' "Tokyo'
```
"""

import json
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")


class TokenClass:
    """Token ids that do the same thing in a state.

    `ids` may be written. `kin` are the ids whose probability speaks for this class when the *base model* decides: the
    base likes to merge what the scaffold keeps apart (`"},` for `"`), so a fixed token is represented by every token
    that begins with it. Compared by identity: fillers cache one index tensor per class.
    """

    __slots__ = ("ids", "kin", "_members", "__weakref__")

    def __init__(self, ids: Iterable[int], kin: Iterable[int] | None = None):
        self.ids = tuple(ids)
        self.kin = self.ids if kin is None else tuple(kin)
        self._members: frozenset[int] | None = None

    @property
    def members(self) -> frozenset[int]:
        if self._members is None:
            self._members = frozenset(self.ids)
        return self._members

    def __repr__(self) -> str:
        return f"TokenClass({self.ids[:4]}{'…' if len(self.ids) > 4 else ''})"


def _byte_level_alphabet() -> dict[str, int]:
    """The printable stand-ins that byte-level BPE uses for bytes (Radford et al. 2019, `bytes_to_unicode`)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    alphabet = {chr(byte): byte for byte in plain}
    for byte in range(256):
        if byte not in plain:
            alphabet[chr(256 + len(alphabet) - len(plain))] = byte
    return alphabet


class Vocabulary:
    """What each token id of a (fast) tokenizer writes, in bytes; special tokens write nothing and are never used.

    Raises:
        ValueError: the tokenizer has no byte representation that we know how to read.
    """

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        special = set(tokenizer.all_special_ids) | {
            id for id, token in tokenizer.added_tokens_decoder.items() if token.special
        }
        kinds = json.loads(tokenizer.backend_tokenizer.to_str())
        decoder = json.dumps([kinds.get("decoder"), kinds.get("pre_tokenizer")])
        byte_level = _byte_level_alphabet() if '"ByteLevel"' in decoder else None
        self.bytes: list[bytes | None] = [None] * (max(tokenizer.get_vocab().values()) + 1)
        for token, id in tokenizer.get_vocab().items():
            if id in special:
                continue
            if token in tokenizer.added_tokens_encoder:
                written = token.encode()
            elif byte_level is not None:
                if any(char not in byte_level for char in token):
                    continue
                written = bytes(byte_level[char] for char in token)
            elif len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
                written = bytes([int(token[3:5], 16)])
            else:
                written = token.replace("▁", " ").encode()
            self.bytes[id] = written or None
        self._encoded: dict[str, tuple[int, ...]] = {}
        if unknown := [char for char in ' "{}[]:,' if char.encode() not in self._by_bytes]:
            raise ValueError(f"this tokenizer cannot write JSON: it has no token for {''.join(unknown)!r} alone")

    def __len__(self) -> int:
        return len(self.bytes)

    @property
    def end(self) -> int | None:
        """The token by which an answer ends, if the tokenizer has one."""
        return self.tokenizer.eos_token_id

    def encode(self, text: str) -> tuple[int, ...]:
        """The tokens of a text in the middle of a document (no special tokens, no invented leading space).

        Raises:
            ValueError: the tokenizer cannot write this text exactly.
        """
        found = self._encoded.get(text)
        if found is None:
            ids = self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
            if self.decode_bytes(ids) != text.encode():
                ids = self._encode_bytewise(text.encode())
            if len(self._encoded) > 250_000:
                self._encoded.clear()
            found = self._encoded[text] = tuple(ids)
        return found

    def encode_all(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """[`encode`] of each text, faster for thousands of them."""
        if len(texts) < 1000:
            return [self.encode(text) for text in texts]
        backend = self.tokenizer.backend_tokenizer
        special = backend.encode_special_tokens
        backend.encode_special_tokens = True  # special tokens in a text are text
        try:
            found = backend.encode_batch(list(texts), add_special_tokens=False)
        finally:
            backend.encode_special_tokens = special
        return [
            tuple(one.ids) if self.decode_bytes(one.ids) == text.encode() else self.encode(text)
            for one, text in zip(found, texts, strict=True)
        ]

    def _encode_bytewise(self, data: bytes) -> list[int]:
        """Longest match first: for the texts that the tokenizer would normalise or give a leading space."""
        ids, at = [], 0
        while at < len(data):
            for end in range(min(len(data), at + self.longest), at, -1):
                if data[at:end] in self._by_bytes:
                    ids.append(self._by_bytes[data[at:end]])
                    at = end
                    break
            else:
                raise ValueError(f"the tokenizer has no tokens for {data[at : at + 8]!r}, which a scaffold must write")
        return ids

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        return b"".join(self.bytes[id] or b"" for id in ids)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of complete tokens. Raises UnicodeDecodeError inside a character."""
        return self.decode_bytes(ids).decode()

    def tokens_at(self, data: bytes, at: int) -> Iterator[tuple[int, int]]:
        """The tokens that write what stands at a place of a text, each with the place where it ends."""
        for end in range(at + 1, min(len(data), at + self.longest) + 1):
            for id in self.exactly(data[at:end]) if data[at:end] in self._by_bytes else ():
                yield id, end

    @cached_property
    def _sorted(self) -> tuple[list[bytes], list[int]]:
        pairs = sorted((written, id) for id, written in enumerate(self.bytes) if written)
        return [written for written, _ in pairs], [id for _, id in pairs]

    @cached_property
    def _by_bytes(self) -> dict[bytes, int]:
        written, ids = self._sorted
        return dict(zip(reversed(written), reversed(ids), strict=True))

    @cached_property
    def longest(self) -> int:
        """The bytes of the longest token."""
        return max(map(len, self._by_bytes))

    @cached_property
    def single(self) -> frozenset[int]:
        """The bytes that have a token of their own."""
        return frozenset(written[0] for written in self._by_bytes if len(written) == 1)

    @cached_property
    def bytewise(self) -> bool:
        """Whether characters beyond ASCII can be written byte by byte."""
        return self.single.issuperset(range(0x80, 0xC0))

    @cached_property
    def alphabet(self) -> tuple[tuple[int, int], ...]:
        """The characters that can be written inside JSON quotes byte by byte or alone, as ranges of code points."""
        single = self.single
        codes = {*range(0x20, 0x80)} & single - {ord('"'), ord("\\")}
        escaped = [*map(chr, range(0x20)), '"', "\\"]
        codes |= {ord(char) for char in escaped if single.issuperset(json.dumps(char)[1:-1].encode())}
        ranges = [(code, code) for code in codes]
        if self.bytewise:
            for lead in single & {*range(0xC2, 0xF5)}:
                least = b"\xa0" if lead == 0xE0 else b"\x90" if lead == 0xF0 else b"\x80"
                most = b"\x8f" if lead == 0xF4 else b"\xbf"
                more = 1 if lead < 0xE0 else 2 if lead < 0xF0 else 3
                ends = [bytes([lead]) + edge + rest * (more - 1) for edge, rest in ((least, b"\x80"), (most, b"\xbf"))]
                low, high = (ord(end.decode("utf-8", "surrogatepass")) for end in ends)
                ranges.append((low, high))
        else:
            chars = {written.decode(errors="ignore") for written in self._by_bytes if 1 < len(written) <= 4}
            ranges += [(ord(char), ord(char)) for char in chars if len(char) == 1 and char.encode() in self._by_bytes]
        merged: list[tuple[int, int]] = []
        for low, high in sorted(ranges):
            if merged and low <= merged[-1][1] + 1:
                low = merged.pop()[0]
            merged.append((low, high))
        return tuple(merged)

    @cached_property
    def _prefix_classes(self) -> dict[bytes, tuple[int, ...]]:
        return {}

    def starting_with(self, prefix: bytes) -> tuple[int, ...]:
        """Ids of all tokens whose bytes begin with `prefix`."""
        if prefix not in self._prefix_classes:
            written, ids = self._sorted
            end = bisect_left(written, prefix + b"\xff" * 64)
            self._prefix_classes[prefix] = tuple(ids[bisect_left(written, prefix) : end])
        return self._prefix_classes[prefix]

    def exactly(self, written: bytes) -> tuple[int, ...]:
        """Ids of the tokens that write just this."""
        known, ids = self._sorted
        return tuple(ids[bisect_left(known, written) : bisect_right(known, written)])

    def token_class(self, id: int) -> TokenClass:
        """The class of one fixed token."""
        if id not in self._single:
            self._single[id] = TokenClass((id,), self.starting_with(self.bytes[id] or b""))
        return self._single[id]

    @cached_property
    def _single(self) -> dict[int, TokenClass]:
        return {}

    @cached_property
    def columns(self) -> tuple[np.ndarray, list[np.ndarray]]:
        """The ids of the tokens, the longest first, and the n-th bytes of those that have so many."""
        ids = [id for id, written in enumerate(self.bytes) if written]
        ids.sort(key=lambda id: -len(self.bytes[id] or b""))
        longest: list[list[int]] = []
        for id in ids:
            written = self.bytes[id] or b""
            longest += [[] for _ in range(len(longest), len(written))]
            for at, byte in enumerate(written):
                longest[at].append(byte)
        return np.array(ids), [np.array(column, dtype=np.uint8) for column in longest]

    def follower(
        self, step: Callable[[Any, int], Any], counts: Callable[[Any], bool]
    ) -> Callable[[Any], list[tuple[TokenClass, Any, int]]]:
        """Lift a deterministic automaton over bytes to tokens: all of them go through it at once.

        Args:
            step: (state, byte) -> the next state; None if there is no way on.
            counts: which states to count on the way.

        Returns:
            state -> [(tokens, the state that they lead to, how many states were counted)].
        """
        numbers: dict[Any, int] = {}
        states: list[Any] = []
        table = np.empty((0, 256), dtype=np.int32)  # the next state; -1: none, -2: not known yet
        counted = np.empty(0, dtype=np.int64)

        def number(state: Any) -> int:
            nonlocal table, counted
            if state not in numbers:
                numbers[state] = len(states)
                states.append(state)
                if len(states) > len(table):
                    more = max(16, len(table))
                    table = np.concatenate([table, np.full((more, 256), -2, dtype=np.int32)])
                    counted = np.concatenate([counted, np.zeros(more, dtype=np.int64)])
                counted[numbers[state]] = counts(state)
            return numbers[state]

        def follow(state: Any) -> list[tuple[TokenClass, Any, int]]:
            ids, columns = self.columns
            alive, at = np.arange(len(ids)), np.full(len(ids), number(state))
            count = np.zeros(len(ids), dtype=np.int64)
            ended: list[tuple[np.ndarray, ...]] = []
            for column in (*columns, np.empty(0, dtype=np.uint8)):
                longer = int(np.searchsorted(alive, len(column)))
                ended.append((ids[alive[longer:]], at[longer:], count[longer:]))
                alive, at, count = alive[:longer], at[:longer], count[:longer]
                written = column[alive]
                to = table[at, written]
                if (unknown := to == -2).any():
                    for origin, byte in set(zip(at[unknown].tolist(), written[unknown].tolist(), strict=True)):
                        following = step(states[origin], byte)
                        target = -1 if following is None else number(following)
                        table[origin, byte] = target
                    to = table[at, written]
                kept = to >= 0
                alive, at = alive[kept], to[kept]
                count = count[kept] + counted[at]
            found, at, count = (np.concatenate(parts) for parts in zip(*ended, strict=True))
            keys = at.astype(np.int64) << 32 | count
            order = np.lexsort((found, keys))
            found, keys = found[order], keys[order]
            cuts = np.flatnonzero(np.diff(keys)) + 1
            return [
                (TokenClass(group.tolist()), states[int(key[0]) >> 32], int(key[0]) & 0xFFFFFFFF)
                for group, key in zip(np.split(found, cuts), np.split(keys, cuts), strict=True)
                if len(group)
            ]

        return follow

    def spelled(self, alphabet: frozenset[int]) -> list[tuple[int, bytes]]:
        """Tokens made of these bytes only."""
        if alphabet not in self._spelled:
            self._spelled[alphabet] = [
                (id, written) for id, written in enumerate(self.bytes) if written and alphabet.issuperset(written)
            ]
        return self._spelled[alphabet]

    @cached_property
    def _spelled(self) -> dict[frozenset[int], list[tuple[int, bytes]]]:
        return {}

    @cached_property
    def memory(self) -> dict[Any, Any]:
        """What [`remembered`] functions have found out about this vocabulary."""
        return {}


def remembered(function: Callable[Concatenate[Vocabulary, P], R]) -> Callable[Concatenate[Vocabulary, P], R]:
    """Cache a function of a vocabulary and hashable arguments on the vocabulary, so that they are freed together."""

    @wraps(function)
    def wrapped(vocabulary: Vocabulary, *args: P.args, **kwargs: P.kwargs) -> R:
        key = (function, args, *sorted(kwargs.items()))
        memory = vocabulary.memory
        try:
            return memory[key]
        except KeyError:
            pass
        value = function(vocabulary, *args, **kwargs)
        if len(memory) >= 50_000:  # texts of ever new tools
            memory.clear()
        memory[key] = value
        return value

    return wrapped


@remembered
def siblings(vocabulary: Vocabulary, tokens: tuple[int, ...]) -> tuple[TokenClass, ...]:
    """Competing fixed tokens, each with the vocabulary's tokens that speak for it alone.

    The base may prefer a token that the scaffold splits or joins otherwise: it counts for the alternative that it
    begins with (the longest such), or else for the only one that begins with it.
    """
    texts = {token: vocabulary.bytes[token] or b"" for token in tokens}
    kin: dict[int, set[int]] = {}
    found: dict[bytes, int] = {}  # the alternatives so far, shorter ones first
    for token, text in sorted(texts.items(), key=lambda item: len(item[1])):
        kin[token] = set(vocabulary.starting_with(text))
        for shorter in {found[text[:end]] for end in range(len(text) + 1) if text[:end] in found}:
            kin[shorter] -= kin[token]
        found[text] = token
    owned = set().union(*kin.values())
    begun = Counter(text[:end] for text in texts.values() for end in range(1, len(text) + 1))
    for token, text in texts.items():
        for part in (text[:end] for end in range(1, len(text)) if begun[text[:end]] == 1):
            kin[token] |= {id for id in vocabulary.exactly(part) if id not in owned}
    return tuple(TokenClass((token,), sorted(kin[token])) for token in tokens)
