"""The HTTP face of the engine: reads views, sends events, computes nothing about money."""
