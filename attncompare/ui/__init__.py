"""The page: the only part of attncompare that imports gradio. It asks analyses and shows plots; it computes nothing."""

import os

# Gradio reads this when it is imported: the page calls nobody.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
