"""Every test, and every notebook kernel it starts, gets a fresh and empty TUTORIAL_DATA: training really happens."""

import atexit
import os
import shutil
import tempfile

os.environ["TUTORIAL_DATA"] = tempfile.mkdtemp(prefix="vae-tutorial-tests-")
atexit.register(shutil.rmtree, os.environ["TUTORIAL_DATA"], ignore_errors=True)
