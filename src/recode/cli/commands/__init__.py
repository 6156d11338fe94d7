"""The commands, one module a group. Each declares options, imports what it needs when called, and calls one function."""
