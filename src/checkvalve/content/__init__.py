"""Data files of the product. Code reads them through `importlib.resources`."""
