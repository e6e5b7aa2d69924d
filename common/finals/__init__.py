"""What a final passes through before it is printed, each step opt-in."""
