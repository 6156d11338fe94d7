"""Two releases of a library → update families with evidence: walk both releases, read their texts, join the two."""
