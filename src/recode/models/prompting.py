"""A prompt for any reader: a chat model, a model without a chat template, an endpoint."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from recode.prompts import PREFILL


@dataclass(frozen=True)
class Prompt:
    """A prompt.

    `messages` are (role, content) pairs without the assistant's turn, and `prefill` is the beginning of that turn. A model without a chat
    template reads `plain` instead of the messages; if it is empty, it reads the messages as paragraphs.
    """

    messages: tuple[tuple[str, str], ...]
    prefill: str = ""
    plain: str = ""

    def begun(self, text: str) -> Prompt:
        """Return the prompt with a longer beginning of the assistant's turn."""
        return replace(self, prefill=self.prefill + text)

    def key(self) -> str:
        """Return the prompt as one string; different prompts give different strings."""
        return json.dumps([self.messages, self.prefill, self.plain])


def render_prompt(tokenizer: Any, prompt: Prompt) -> str:
    """Return the prompt as a model with this tokenizer reads it, up to where its completion begins."""
    if getattr(tokenizer, "chat_template", None):
        turns = [{"role": role, "content": content} for role, content in prompt.messages]
        text = str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
        if prompt.prefill.startswith(PREFILL) and text.rstrip().endswith(PREFILL):
            # The templates of thinking models open the block themselves.
            return text + prompt.prefill.removeprefix(PREFILL)
    else:
        text = prompt.plain or "\n\n".join(content for _, content in prompt.messages) + "\n\n"
    return text + prompt.prefill
