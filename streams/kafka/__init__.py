"""The Kafka edge: which broker, which topics, which client settings."""
