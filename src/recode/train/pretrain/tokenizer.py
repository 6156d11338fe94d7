"""The embedded model's tokenizer: byte-level BPE that splits an identifier the same way wherever it appears.

Following a note largely means copying names from the note and the old code into the new code. So the pre-tokenizer splits at the borders of
words and numbers, regardless of what surrounds them. A frequent number is one token, which distinguishes it from similar numbers. The fixed
phrases of the prompt template are single tokens, which shortens every prompt by two thirds.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from recode import prompts
from recode.records import ApiUpdate

PAD, END, ROLE_TOKENS = "<|pad|>", "<|end|>", ("<|system|>", "<|user|>", "<|assistant|>")
_PIECES = Regex(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+(?:\.[0-9]+)?|\n *|_+|[^A-Za-z0-9_\n]+")
_CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def _fixed_phrases() -> list[str]:
    """Return the parts of the prompt template between its fields, and the tags of a response."""
    # Constructed without validation: a null character, which marks the fields, is not a valid library or version.
    update = ApiUpdate.model_construct(library="\0", new_version="\0", update_info="\0")
    parts = prompts.user_message(update, "\0").split("\0")
    tags = ["<think>", "</think>", "<answer>", "</answer>", "```python", "```"]
    return [prompts.SYSTEM, *parts, *tags]


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Train the tokenizer on texts; `vocabulary` counts every token, special and added ones included."""
    special = [PAD, END, *ROLE_TOKENS]
    phrases = _fixed_phrases()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(_PIECES, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(phrases),
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(phrase, normalized=False) for phrase in phrases])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = _CHAT_TEMPLATE
    return fast
