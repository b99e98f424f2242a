"""Backups, restores and copies: what people ask for, the runs that do it, and the bucket that keeps backups.

`people.py` is what one can ask for, `workflow.py` what a run does; `bucket.py` is the only one that knows obstore.
"""
