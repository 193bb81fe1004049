"""Preprocessing layers: numbers and strings to what a model learns from; images stand in a room of their own.

May import core, random, ops, data and the families below layers.
"""
