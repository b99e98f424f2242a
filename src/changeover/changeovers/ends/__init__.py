"""What a side of a changeover can be: one of our databases, or an address."""
