"""Looking at a run from another process: a picture in a terminal, a page that renews itself."""
