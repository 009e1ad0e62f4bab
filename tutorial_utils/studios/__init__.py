"""Studios: what a learner drags; one module per widget, and shared parts such as `base`."""
