"""The process: the loop, the state it is in, commands carried out, signals, and the end."""
