"""The whole topology in one process under seeded faults; the same seed is the same run."""
