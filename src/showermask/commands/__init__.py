"""The commands of the command line, each in a room of its own."""
