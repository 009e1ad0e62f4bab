"""Studios: what a learner drags, one module per widget, on `base`, `controls`, `panel` and `svg`."""
