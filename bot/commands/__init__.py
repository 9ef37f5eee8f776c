"""The subcommands of `firstcause`, one file each. A module here imports heavy things only when it runs."""
