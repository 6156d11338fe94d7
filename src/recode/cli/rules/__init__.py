"""`recode rules`: what its commands do and print."""
