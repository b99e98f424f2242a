"""The method `follower`: a physical copy that streams from the source, and is promoted in the pause."""
