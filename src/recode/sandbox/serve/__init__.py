"""The sandbox as a service on this machine, in the format of Sandbox Fusion's `run_code`."""
