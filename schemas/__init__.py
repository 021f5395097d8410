"""The only home of contracts: units, messages, topics and their encodings."""
