"""How rows reach the target: one package for each method."""
