"""SFT, GRPO and DAPO on TRL's trainers, with adapters."""
