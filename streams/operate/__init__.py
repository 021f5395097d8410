"""Running and reaching a live engine: its processes, its topics, what is sent to it and read from it."""
