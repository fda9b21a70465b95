"""Portal: the connection front end of text games.

Importing this package is cheap: nothing heavy is imported until it is used.
"""

__version__ = "0.1.0"
