"""Models: their packages on disk, what is installed, and the Encoder seam that everything above uses."""
