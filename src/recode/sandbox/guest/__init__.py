"""Code that runs inside the sandbox, where ReCode is not installed: these modules import only the standard library and each other."""
