"""What people see: the engine's public topics folded into views, in Redis or an embedded store."""
