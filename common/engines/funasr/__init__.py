"""FunASR's own model classes: what builds them, for finals too, and the reference engine."""
