"""Copies one database as of a single snapshot: schema, data, indexes, constraints, rights, sequences.

The work runs in a separate program (`python -m changeover.postgres.snapshot`). It outlives the process that started it and
blocks no other work. Callers use job.py (the job), starting.py (start, watch, stop) and cleaning.py (abort). program.py is
the program's main loop, migration.py one attempt, course.py its phases. Nothing here knows runs or HTTP.
"""
