"""What --doctor checks, and what mends what is wrong."""
