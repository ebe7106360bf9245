"""Tests of what theory says, against oracles of another kind: adaptive quadrature, autograd, brute
force, simulation.
"""
