"""FunASR's own model classes: the reference engine, and what builds them for it and for finals."""
