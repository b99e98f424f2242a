"""`python -m changeover.cli`."""

from changeover.cli import main

main()
