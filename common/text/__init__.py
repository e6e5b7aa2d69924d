"""What tokens say: words, their times, and hotwords."""
