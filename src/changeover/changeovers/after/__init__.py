"""What becomes of the side that a changeover left: watched, and destroyed in the end."""
