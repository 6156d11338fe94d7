"""The `recode` command: one module a group of commands. Each parses its arguments and calls one function."""
