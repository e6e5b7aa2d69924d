"""What goes over stdout and stdin: events, lines, and the commands."""
