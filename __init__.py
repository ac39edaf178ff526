"""LaFuNC: tool calls that are valid by construction, from a frozen small language model with a diffusion head."""

from .base_lafunc import EMBEDDED_BASE, CheckpointError
from .configuration_lafunc import LaFuncConfig
from .modeling_lafunc import LaFuncModel
from .output_lafunc import Need, ToolCall, ToolCallOutput
from .processing_lafunc import LaFuncProcessor, RequestError
from .publishing_lafunc import PublishError
from .validation_lafunc import SchemaError

__all__ = [
    "EMBEDDED_BASE",
    "CheckpointError",
    "LaFuncConfig",
    "LaFuncModel",
    "LaFuncProcessor",
    "Need",
    "PublishError",
    "RequestError",
    "SchemaError",
    "ToolCall",
    "ToolCallOutput",
]
