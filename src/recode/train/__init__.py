"""Training: pretraining of the embedded model, SFT, GRPO and DAPO."""
