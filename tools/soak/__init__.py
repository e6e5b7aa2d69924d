"""Hours of audio: cost and memory of the first tenth against the last."""
