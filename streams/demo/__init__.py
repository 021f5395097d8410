"""The demonstration: real prices, the whole engine, a live table, and labelled incidents."""
