"""What both services share: the ground that every room stands on, and the rooms. CONTRIBUTING.md has the plan."""
