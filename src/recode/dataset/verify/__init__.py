"""The verify rule: an entry holds if its programs run as stated in both releases."""
