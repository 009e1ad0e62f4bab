"""Support: checks of arguments, data files, progress bars, tables and animations."""
