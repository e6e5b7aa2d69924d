"""The network on OpenVINO: int8 weights, made once and kept in the user's cache."""
