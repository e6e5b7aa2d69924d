"""What a user can set: each setting is one field with its flag, its help and its check."""
