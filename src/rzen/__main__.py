"""python -m rzen."""

from rzen.cli import main

main()
