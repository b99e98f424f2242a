"""`changeover demo`: moves a live database into a private space, in a temporary home, and checks every order afterwards.

It uses changeover as a user does, through its commands. It imports nothing of ours but errors and settings.
"""
