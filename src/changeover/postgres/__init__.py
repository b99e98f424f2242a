"""PostgreSQL itself: installations, clusters as processes, and what is asked of a running server.

Takes paths and connections, returns plain values; has never heard of apps, plans, HTTP or our tables.
"""
