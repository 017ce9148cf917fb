"""What `python -m sync` does, command by command. `sync.__main__` reads the arguments and calls these."""
