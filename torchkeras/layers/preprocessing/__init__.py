"""Preprocessing layers: numbers and strings to what a model learns from.

May import core, random, ops, data and the families below layers.
"""
