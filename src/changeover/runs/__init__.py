"""The durable run: a row, a table of steps, a journal, a lock, an epoch. The only importer of procrastinate.

What the steps do is decided elsewhere (platform/, changeovers/); here is how they are driven, resumed and undone.
"""
