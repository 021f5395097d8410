"""The same stages with no Kafka: an in-process log for replay, demonstration and simulation."""
