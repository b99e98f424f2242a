"""Where apps live: dynos (processes of apps, and their logs) and the router in front of them.

Takes plain values and returns plain values: it has never heard of runs, of our state, or of databases.
"""
