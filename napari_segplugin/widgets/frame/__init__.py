"""The frame of the dock: header lines, tabs, pages, footer, and the pieces that they are made of."""
