"""The small demonstration model: its grammar, its voices and the script that trains it."""
