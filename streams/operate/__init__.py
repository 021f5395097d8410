"""Running and reaching a live engine: its processes, its topics, what is sent and what is read."""
