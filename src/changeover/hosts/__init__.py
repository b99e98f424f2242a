"""This machine, for whoever runs something on it: processes, programs, system users, ports. Knows nothing of what they serve."""
