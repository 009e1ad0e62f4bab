"""Checks of the exercises, one module per notebook: `check_...` says ok, not yet, or which mistake the answer shows."""
