"""Whether this computer is fit for the program: what is installed, which card, how much room; imports no torch."""
