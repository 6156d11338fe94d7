"""Pretraining of the embedded model: its tokenizer, its data and its loop."""
