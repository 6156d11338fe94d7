"""Verdicts on answers: the program in a completion, compared with the gold program or run against tests in the sandbox."""
