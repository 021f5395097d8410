"""The pure core: functions of state and batch, with no Kafka, clock, file, thread or chance."""
