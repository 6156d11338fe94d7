"""The runs witness: a command runs in both releases, and the values of the project's own expressions are compared.

`recorded_command` has the interface, `guest/` what runs inside the project's processes.
"""
