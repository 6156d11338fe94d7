"""Proof that an old and a new name do the same: both are called with generated arguments in a release that has both."""
