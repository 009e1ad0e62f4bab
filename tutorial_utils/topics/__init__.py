"""Topics: what one notebook teaches and later code needs, one module each."""
