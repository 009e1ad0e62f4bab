"""Support: checks of arguments, and fast matrix products; used everywhere, teaches nothing."""
