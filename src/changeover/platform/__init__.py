"""Apps, add-ons, attachments, plans, config vars, releases, spaces, access: what exists and what may be done with it.

API and dashboard call these functions and nothing below them. Long work is started here as a run.
"""
