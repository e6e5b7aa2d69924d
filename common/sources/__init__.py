"""Where sound comes from: each source puts 16 kHz mono blocks into the inbox, in a thread of its own."""
