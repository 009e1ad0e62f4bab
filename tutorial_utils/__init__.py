"""The library of the VAE tutorial: `from tutorial_utils import VAE, fit, load_images`.

The modules beside this file are what a learner opens; the folders hold what they need.  Names are
imported when they are first used, so `import tutorial_utils` itself loads nothing (no torch).  The
list of names is in `__init__.pyi`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
