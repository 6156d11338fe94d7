"""Two releases of a library → update families with evidence: walk the releases, read their texts, join what both say."""
