"""The study: tables that test the paper's claims, each from one file under `recipes/study/`, with seeds and intervals."""
