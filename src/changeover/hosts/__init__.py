"""This machine: processes, programs, system users, ports, disks. Knows nothing of the services that run on it."""
