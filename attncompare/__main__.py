"""``python -m attncompare``: the command line."""

from attncompare.cli import main

main()
