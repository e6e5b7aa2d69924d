"""Sources of audio: each turns what it hears into 16 kHz mono blocks in the inbox, in a thread of its own."""
