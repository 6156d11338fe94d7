"""The data set: update sources → verified, deduplicated, split records, and their exports."""
