"""Durable runs: a row, a table of steps, a journal, a lock, an epoch. Only this package imports procrastinate.

Steps are defined elsewhere (platform/, changeovers/). This package drives, resumes and undoes them.
"""
