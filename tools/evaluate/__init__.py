"""Error rates, delays and times of recordings with transcripts."""
