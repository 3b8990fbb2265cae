"""Documents to files and back, of any size: nothing is held as a whole."""
