"""A job and a grid go in, tables come out."""
