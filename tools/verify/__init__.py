"""A real checkpoint through every engine, compared with FunASR's own loop."""
