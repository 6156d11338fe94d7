"""Our benchmarks under other harnesses: lm-eval and Inspect. They sample; what an answer is worth is decided here, in our sandbox."""
