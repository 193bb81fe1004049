"""The engine room: variables, layers, the symbolic graph, shapes, dtypes, scopes, configuration.

Imports nothing else of the package but `errors`. Knows no concrete layer, loss, metric or optimizer.
"""
