"""Speed and memory of ours and of the peers, in turns."""
