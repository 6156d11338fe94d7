"""Learning rules from pairs of programs: edits, anti-unification, and admission leave-one-out."""
