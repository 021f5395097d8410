"""How fast, late and large the engine is: one question a file, peers in the same run."""
