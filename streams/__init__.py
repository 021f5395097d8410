"""The engine: a pure core, and thin shells that connect it to Kafka, files and people."""
