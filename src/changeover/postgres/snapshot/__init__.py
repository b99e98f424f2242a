"""Brings one database over as it is at one moment: schema, data, indexes, constraints, rights, sequences.

The work is done by a program of its own (`python -m changeover.postgres.snapshot`), so that it outlives whoever started it and
never holds up anybody else. Who has it done uses job.py (the order), starting.py (start, look, stop) and cleaning.py (abort);
program.py is its life, migration.py one attempt, course.py what an attempt does. Nothing here knows runs or HTTP.
"""
