"""From the source topics into the journal: validate, route, frame, keep what cannot be used."""
