"""Audio in, events out: where utterances begin and end, and what is shown of them. No thread, no clock, no stream."""
