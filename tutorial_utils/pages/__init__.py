"""Pages: a widget exported as one HTML file that runs without a network, Python or a library."""
