"""The verbs, room by room. Each file imports what it needs, torch included; this one imports nothing."""
