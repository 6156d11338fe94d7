"""Migration of real projects: find the uses that a release breaks, rewrite them, prove the rewriting."""
