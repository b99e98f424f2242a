"""Brings one database over as it is at one moment: schema, data, indexes, constraints, rights, sequences.

The work is done by a program of its own (`python -m changeover.postgres.snapshot`), so that it outlives whoever started it and
never holds up anybody else. Who starts it and reads how far it is uses job.py; nothing here knows runs or HTTP.
"""
