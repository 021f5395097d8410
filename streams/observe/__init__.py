"""What the processes show of themselves, and the one place that reads the wall clock."""
