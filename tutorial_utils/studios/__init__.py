"""Studios: what a learner drags, one module per widget, built from `base`, `controls`, `panel` and `svg`."""
