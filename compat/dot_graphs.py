"""What stands in for pydot where it is not installed: it keeps what it is given, so that two graphs can be compared.

Imports nothing.
"""


class _Part:
    def __init__(self, *names, **attributes):
        self.names, self.attributes, self.parts = names, attributes, []

    def set(self, name, value):
        self.attributes[name] = value

    def _take(self, part):
        self.parts.append(part)

    add_node = add_edge = add_subgraph = _take

    def get_edge(self, *ends):
        return [part for part in self.parts if isinstance(part, Edge) and part.names == ends]

    def set_node_defaults(self, **attributes):
        self.attributes["node"] = attributes

    def plain(self, numbers):
        """Kinds, attributes and parts, the names of nodes as the numbers in which they came."""
        names = [numbers.setdefault(name, len(numbers)) for name in self.names]
        attributes = {name: str(value) for name, value in self.attributes.items()}
        parts = [part.plain(numbers) for part in self.parts if not isinstance(part, Edge)]
        edges = [part.plain(numbers) for part in self.parts if isinstance(part, Edge)]
        return type(self).__name__, names, attributes, parts, edges


class Node(_Part):
    pass


class Edge(_Part):
    pass


class Cluster(_Part):
    pass


class Dot(_Part):
    written = []

    def write(self, path, format):
        self.written.append((path, format))

    def create(self):
        return b""


class PydotException(Exception):
    pass
