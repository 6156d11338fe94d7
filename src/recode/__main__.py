"""`python -m recode`: the same as the `recode` command."""

from recode.cli.app import main

main()
