"""What turns sound into tokens: the seam to the service, and each engine behind it."""
