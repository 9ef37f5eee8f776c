"""`python -m bot.commands`: the command without its entry point installed."""

from bot.cli import main

main()
