"""What both services share; each file has one job, imports point downwards only."""

__version__ = "0.1.0"
