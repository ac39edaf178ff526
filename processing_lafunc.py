"""LaFuncProcessor: conversations and tools to prompts and compiled tools.

The chat template is the base's own as long as no tool is in play; with tools it is ours, in the base's turn markers,
with calls and results in the `<tool_call>` / `<tool_response>` form that SmolLM3, Qwen and Hermes models learned.
Special-token text in what users, tools and descriptions say is encoded as text, never as control tokens.

```python
>>> processor = LaFuncProcessor.from_base("HuggingFaceTB/SmolLM3-3B")
>>> ids = processor.prompt([{"role": "user", "content": "Weather in Tokyo?"}], [get_weather])
```
"""

import copy
import json
import re
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from tempfile import TemporaryDirectory
from typing import Any

from huggingface_hub import CommitInfo
from transformers import PreTrainedConfig, PreTrainedTokenizerBase, ProcessorMixin
from transformers.utils import get_json_schema

from .base_lafunc import load_tokenizer
from .compiling_lafunc import compile_tool, prepare
from .node_lafunc import Tool
from .publishing_lafunc import publish
from .vocabulary_lafunc import Vocabulary


class RequestError(ValueError):
    """A request that cannot be answered as it was put; the message says which part and what to do."""


# Encoding text that holds special tokens switches the tokenizer to and fro; other threads must not encode meanwhile.
_ENCODING = threading.Lock()

# How a family of models marks turns: (a token that tells it, before the role, after it, after the turn, what the
# assistant is called, whether there is a system role, text at the very beginning).
FAMILIES = (
    ("<|im_start|>", "<|im_start|>", "\n", "<|im_end|>\n", "assistant", True, ""),
    (
        "<|start_header_id|>",
        "<|start_header_id|>",
        "<|end_header_id|>\n\n",
        "<|eot_id|>",
        "assistant",
        True,
        "<|begin_of_text|>",
    ),
    ("<start_of_turn>", "<start_of_turn>", "\n", "<end_of_turn>\n", "model", False, "<bos>"),
)
PLAIN_FAMILY = ("", "### ", "\n", "\n\n", "assistant", True, "")


TOOLS_TEXT = """You may call one or more functions to help with the user's request.

Here are the available functions in JSON Schema:
<tools>
%s
</tools>

For each function call, return a JSON object with the function's name and arguments between <tool_call></tool_call>:
<tool_call>
{"name": "function_name", "arguments": {"argument_name": "value"}}
</tool_call>"""

# Values in ⟪⟫ are filled in by `chat_template`.
TEMPLATE = """\
{%- macro text(content) -%}
{%- if content is string -%}{{ content }}
{%- else -%}{%- for part in content or [] if part.type == 'text' -%}{{ part.text }}{%- endfor -%}{%- endif -%}
{%- endmacro -%}
{%- set ns = namespace(system='', pending='', first=true) -%}
{%- if messages[0].role == 'system' -%}
{%- set ns.system = text(messages[0].content) -%}{%- set messages = messages[1:] -%}
{%- endif -%}
⟪thinking_setup⟫{%- if tools -%}
{%- set listed = namespace(text='') -%}
{%- for tool in tools -%}
{%- set function = tool.function if tool.function is defined else tool -%}
{%- set listed.text = listed.text + (function if function is string else function | tojson) + '\\n' -%}
{%- endfor -%}
{%- set ns.system = (ns.system + '\\n\\n' if ns.system else '') + ⟪tools_before⟫ + listed.text + ⟪tools_after⟫ -%}
{%- endif -%}
{{- ⟪beginning⟫ -}}
⟪system_turn⟫
{%- for message in messages -%}
{%- if message.role == 'tool' -%}
{{- ⟪before⟫ + 'user' + ⟪after⟫ if loop.first or loop.previtem.role != 'tool' else '\\n' -}}
{{- '<tool_response>\\n' + text(message.content) + '\\n</tool_response>' -}}
{%- if loop.last or loop.nextitem.role != 'tool' -%}{{- ⟪end⟫ -}}{%- endif -%}
{%- else -%}
{{- ⟪before⟫ + (⟪assistant⟫ if message.role == 'assistant' else message.role) + ⟪after⟫ -}}
{%- if message.role == 'user' and ns.pending -%}{{- ns.pending + '\\n\\n' -}}{%- set ns.pending = '' -%}{%- endif -%}
{{- text(message.content) -}}
{%- for call in message.tool_calls or [] -%}
{%- set function = call.function if call.function is defined else call -%}
{{- '\\n' if not loop.first or message.content else '' -}}
{{- '<tool_call>\\n{"name": ' + function.name | tojson + ', "arguments": ' -}}
{{- function.arguments if function.arguments is string else function.arguments | tojson -}}
{{- '}\\n</tool_call>' -}}
{%- endfor -%}
{{- ⟪end⟫ -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- ⟪before⟫ + ⟪assistant⟫ + ⟪after⟫ -}}⟪thinking_prompt⟫{%- endif -%}"""


def chat_template(tokenizer: PreTrainedTokenizerBase) -> str:
    """Our template in the turn markers of the tokenizer's family; the base's own for conversations without tools."""
    vocabulary, own = tokenizer.get_vocab(), tokenizer.chat_template
    own = own.get("default") if isinstance(own, dict) else own
    _, before, after, end, assistant, has_system, beginning = _family(tokenizer)
    tools_before, tools_after = TOOLS_TEXT.split("%s")
    empty_thought = _empty_thought(tokenizer)
    system_turn = "{%- set ns.pending = ns.system -%}"
    if has_system:
        system_turn = "{%- if ns.system -%}{{- ⟪before⟫ + 'system' + ⟪after⟫ + ns.system + ⟪end⟫ -}}{%- endif -%}"
    thinking_setup = thinking_prompt = ""
    if empty_thought:
        thinking_setup = (
            "{%- set thinking = enable_thinking if enable_thinking is defined and enable_thinking is not none "
            "else '/no_think' not in ns.system -%}\n"
        )
        thinking_prompt = "{%- if not thinking -%}{{- ⟪empty_thought⟫ -}}{%- endif -%}"
        if own and "/no_think" in own:  # SmolLM3 is told its mode in the system turn
            thinking_setup += (
                "{%- set ns.system = 'Reasoning Mode: ' + ('/think' if thinking else '/no_think') + "
                "('\\n\\n' + ns.system if ns.system else '') -%}\n"
            )
    ours = TEMPLATE.replace("⟪system_turn⟫", system_turn).replace("⟪thinking_setup⟫", thinking_setup)
    ours = ours.replace("⟪thinking_prompt⟫", thinking_prompt)
    for name, value in {
        "before": before,
        "after": after,
        "end": end,
        "assistant": assistant,
        "beginning": beginning if beginning in vocabulary else "",
        "tools_before": tools_before,
        "tools_after": tools_after.removeprefix("\n"),
        "empty_thought": empty_thought,
    }.items():
        ours = ours.replace(
            f"⟪{name}⟫", "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"
        )
    if not own:
        return ours
    in_play = "tools or messages | selectattr('role', 'equalto', 'tool') | list"
    in_play += " or messages | selectattr('tool_calls') | list"
    return "{%- if " + in_play + " -%}" + ours + "{%- else -%}" + own + "{%- endif -%}"


def response_template(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """What `parse_response` of transformers reads answers by: thoughts, calls as our template writes them, text."""
    _, before, after, end, assistant, *_ = _family(tokenizer)
    call = {"type": "function", "function": "{content}"}
    fields: dict[str, dict[str, Any]] = {
        "tool_calls": {
            "open": "<tool_call>",
            "close_pattern": r"</tool_call>\s*",
            "repeats": True,
            "content": "json",
            "transform": call,
        },
        "content": {"content": "text"},
    }
    if end.strip():
        fields["content"]["close_pattern"] = re.escape(end.strip()) + r"\s*"
    if _empty_thought(tokenizer):
        fields["reasoning_content"] = {"open": "<think>", "close_pattern": r"</think>\s*", "content": "text"}
    return {"defaults": {"role": "assistant"}, "start_anchor": before + assistant + after, "fields": fields}


def _family(tokenizer: PreTrainedTokenizerBase) -> tuple:
    vocabulary = tokenizer.get_vocab()
    return next((family for family in FAMILIES if family[0] in vocabulary), PLAIN_FAMILY)


def _empty_thought(tokenizer: PreTrainedTokenizerBase) -> str:
    """How the family skips thinking; empty if it does not think."""
    if "<think>" not in tokenizer.get_vocab():
        return ""
    match = re.search(r"<think>\\n\\n</think>((?:\\n)+)", str(tokenizer.chat_template))
    return "<think>\n\n</think>" + (match[1].replace("\\n", "\n") if match else "\n\n")


class LaFuncProcessor(ProcessorMixin):
    """The base's tokenizer, our chat template, and a compiler of tools.

    Args:
        tokenizer: the base's (fast) tokenizer.
        chat_template: see the module.
    """

    attributes = ["tokenizer"]
    tokenizer_class = "AutoTokenizer"

    def __init__(self, tokenizer: PreTrainedTokenizerBase, chat_template: str | None = None, **kwargs):
        super().__init__(tokenizer, chat_template=chat_template, **kwargs)
        if chat_template is not None:
            self.tokenizer.chat_template = chat_template
        self.tokenizer.response_template = response_template(tokenizer)
        self._tools: dict[tuple[str, bool], Tool] = {}

    @classmethod
    def from_base(cls, base: str | PreTrainedTokenizerBase, revision: str | None = None) -> "LaFuncProcessor":
        """A processor for a base: a source as in [`LaFuncModel.from_base`], or its tokenizer."""
        tokenizer = load_tokenizer(base, revision) if isinstance(base, str) else copy.deepcopy(base)
        return cls(tokenizer, chat_template=chat_template(tokenizer))

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *args, **kwargs):
        """As in transformers. The model's config is not read: the tokenizer needs neither it nor trust in its code."""
        return super().from_pretrained(
            pretrained_model_name_or_path, *args, **{"config": PreTrainedConfig(), **kwargs}
        )

    def push_to_hub(self, repo_id: str, **kwargs) -> CommitInfo:
        """Publish tokenizer, chat template and code in one commit; `kwargs` are those of [`publish`].

        Raises:
            PublishError: the Hub did not take it.
        """
        with TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            return publish(folder, repo_id, **{"commit_message": "Upload LaFuNC processor", **kwargs})

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """What the tokens write; about half a second the first time."""
        found = Vocabulary(copy.deepcopy(self.tokenizer))  # of its own, since it encodes special tokens as text
        prepare(found)
        return found

    # ------------------------------------------------------------------------------------------------ tools

    def compile_tools(self, tools: Sequence[Any], strict: bool = True) -> list[Tool]:
        """Tools in any accepted form, compiled once and remembered.

        Args:
            strict: see [`compile_tool`].

        Raises:
            RequestError: no tools, a tool of another form, two of one name.
            SchemaError: a tool's parameters cannot be honoured.
        """
        compiled = []
        for tool in normalize_tools(tools):
            key = (_to_json(tool, tool["name"]), strict)
            known = self._tools.get(key)
            if known is None:
                if len(self._tools) >= 1024:
                    self._tools.clear()
                known = self._tools[key] = compile_tool(tool, self.vocabulary, strict)
            compiled.append(known)
        return compiled

    # ------------------------------------------------------------------------------------------------ prompts

    def prompt(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Any] | None = None,
        enable_thinking: bool | None = None,
    ) -> list[int]:
        """Token ids of a conversation, up to where the assistant begins.

        Raises:
            RequestError: see [`check_messages`] and [`normalize_tools`].
        """
        check_messages(messages)
        # As text, because only text is searched for special tokens: the keys of a dict would become control tokens.
        listed = (
            [{"type": "function", "function": _to_json(tool, tool["name"])} for tool in normalize_tools(tools)]
            if tools
            else []
        )
        # Base templates tell a missing `enable_thinking` from None.
        thinking = {} if enable_thinking is None else {"enable_thinking": enable_thinking}
        with _ENCODING:
            return self.tokenizer.apply_chat_template(
                [_plain(message) for message in messages],
                tools=listed or None,
                add_generation_prompt=True,
                tokenize=True,
                return_dict=False,
                sanitize_control_tokens=True,
                **thinking,
            )

    @cached_property
    def empty_thought(self) -> list[int]:
        """What a thinking model's answer begins with when it shall not think; empty for others."""
        return self.tokenizer.encode(_empty_thought(self.tokenizer), add_special_tokens=False)

    def opening(self, prompt: Sequence[int]) -> list[int]:
        """What stands between a prompt and an answer without a thought."""
        thought = self.empty_thought
        return [] if thought and prompt[-len(thought) :] == thought else thought


def normalize_tools(tools: Sequence[Any]) -> list[dict[str, Any]]:
    """Tools as `{"name", "description", "parameters"}`.

    Accepts OpenAI's form, the bare function form, a JSON Schema with a `title`, Python functions with type hints and a
    docstring in Google style, and Pydantic models.

    Raises:
        RequestError: see [`LaFuncProcessor.compile_tools`].
    """
    if isinstance(tools, (str, Mapping)) or not isinstance(tools, Sequence):
        raise RequestError(f"tools must be a list, got {type(tools).__name__}")
    found: dict[str, dict[str, Any]] = {}
    for at, given in enumerate(tools):
        tool = _normalize_tool(given, f"tools[{at}]")
        if tool["name"] in found:
            raise RequestError(f"tools[{at}]: a second tool is named {tool['name']!r}; names must be unique")
        found[tool["name"]] = tool
    if not found:
        raise RequestError("no tools were offered; pass at least one, or mode='chat'")
    return list(found.values())


def _normalize_tool(tool: Any, place: str) -> dict[str, Any]:
    if isinstance(tool, type) and hasattr(tool, "model_json_schema"):
        schema = tool.model_json_schema()
        return {"name": tool.__name__, "description": schema.get("description", ""), "parameters": schema}
    if callable(tool) and not isinstance(tool, type):
        try:
            tool = get_json_schema(tool)
        except Exception as error:
            raise RequestError(
                f"{place}: cannot read a schema from the function {getattr(tool, '__name__', tool)!r}: {error}. "
                "It needs type hints and a docstring in Google style with a description of each argument"
            ) from error
    if not isinstance(tool, Mapping):
        raise RequestError(
            f"{place}: a tool must be a dict, a function or a Pydantic model class, got {type(tool).__name__}"
        )
    if isinstance(tool.get("function"), Mapping):
        tool = tool["function"]
    if "name" not in tool and "title" in tool and ("properties" in tool or tool.get("type") == "object"):
        tool = {"name": tool["title"], "description": tool.get("description", ""), "parameters": tool}
    name = tool.get("name")
    if not isinstance(name, str) or not name:
        raise RequestError(
            f"{place}: a tool needs a `name`, a non-empty string; this one has the keys {sorted(map(str, tool))}"
        )
    parameters = tool.get("parameters")
    return {
        "name": name,
        "description": tool.get("description") or "",
        "parameters": {} if parameters is None else parameters,
    }


ROLES = ("system", "user", "assistant", "tool")


def check_messages(messages: Sequence[Mapping[str, Any]]) -> None:
    """Raises RequestError unless `messages` is a conversation that waits for the assistant."""
    if not messages:
        raise RequestError("the conversation is empty; it needs at least one user message")
    for at, message in enumerate(messages):
        if not isinstance(message, Mapping) or message.get("role") not in ROLES:
            raise RequestError(
                f"messages[{at}]: a message is a dict with a `role` of {', '.join(ROLES)}; got {message!r:.100}"
            )
        content, calls = message.get("content"), message.get("tool_calls")
        if calls and message["role"] == "assistant":
            _check_calls(calls, f"messages[{at}]")
            content = content or ""
        if not (isinstance(content, str) or isinstance(content, list) and all(map(_is_text, content))):
            raise RequestError(
                f"messages[{at}]: `content` must be a string or a list of text parts, got {content!r:.100}"
            )
        try:
            str(content).encode()
        except UnicodeEncodeError as error:
            raise RequestError(f"messages[{at}]: `content` is not text: {error}") from None
        if message["role"] == "system" and at:
            raise RequestError(f"messages[{at}]: a system message must come first")
    if messages[-1]["role"] not in ("user", "tool"):
        raise RequestError(
            f"the conversation ends with a message of the {messages[-1]['role']}; it must end with one of user or tool"
        )


def _is_text(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str)


def _check_calls(calls: Any, place: str) -> None:
    for at, call in enumerate(calls if isinstance(calls, (list, tuple)) else [calls]):
        function: Any = call.get("function", call) if isinstance(call, Mapping) else None
        named = isinstance(function, Mapping) and isinstance(function.get("name"), str)
        if not named or not isinstance(function.get("arguments"), (str, Mapping)):
            raise RequestError(
                f"{place}: tool_calls[{at}] must have a `function` with a `name` and `arguments`, a dict or JSON "
                f"text; got {call!r:.100}"
            )
        if isinstance(function["arguments"], Mapping):
            _to_json(function["arguments"], function["name"])


def content_text(message: Mapping[str, Any]) -> str:
    """What a checked message says, its text parts joined."""
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _plain(message: Mapping[str, Any]) -> dict[str, Any]:
    """A checked message whose content is a string and whose calls have JSON text for arguments."""
    plain = dict(message)
    if isinstance(message.get("content"), list):
        plain["content"] = content_text(message)
    if message.get("tool_calls"):
        functions = [call.get("function", call) for call in message["tool_calls"]]
        plain["tool_calls"] = [
            {"type": "function", "function": {"name": f["name"], "arguments": _to_json(f["arguments"], f["name"])}}
            for f in functions
        ]
    return plain


def _to_json(value: Any, tool: str) -> str:
    """JSON as the template's `tojson` writes it; text is taken for JSON."""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        text.encode()  # half a surrogate pair is no text
        return text
    except (TypeError, ValueError) as error:
        raise RequestError(f"tool {tool!r} cannot be written as JSON: {error}") from None


LaFuncProcessor.register_for_auto_class()
