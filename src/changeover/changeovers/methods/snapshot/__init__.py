"""The method `snapshot`: a copy of the source as it is at one moment."""
