"""Helpers for the tutorial notebooks on variational autoencoders: one module, one subject."""
