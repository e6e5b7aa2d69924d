"""Makes the bundled demo model and its recordings."""
