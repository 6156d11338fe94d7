"""What runs inside the sandbox, where there is no ReCode: these modules import the standard library and each other, nothing else."""
