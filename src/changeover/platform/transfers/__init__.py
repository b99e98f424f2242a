"""Backups, restores and copies: user requests, the runs that execute them, and the bucket that stores backups.

`people.py` has the requests and `workflow.py` the steps of runs. Only `bucket.py` uses obstore.
"""
