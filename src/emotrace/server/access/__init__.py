"""Who may ask, and how much: keys, sessions, guard, limits."""
