"""FollowsFields: layers in which an argument that is changed later counts, with all that `_configure` makes of it.

May import nothing. For layers whose `_configure` may run again.
"""


class FollowsFields:
    """Stands before `Layer` among the bases. `_follows = False` in a class whose `_configure` may run once only."""

    _follows = True

    def __setattr__(self, name, value):
        """An argument that is changed later counts from the next call on, with all that follows from it."""
        if not (self._follows and self.__dict__.get("_configured") and name in type(self)._fields):
            super().__setattr__(name, value)
            return
        convert, before, spec = type(self)._fields[name].convert, getattr(self, name), self.input_spec
        self.__dict__["_configured"] = False  # what follows is set as in the constructor
        try:
            super().__setattr__(name, value if convert is None or value is None else convert(value))
            self._configure()
        except ValueError:
            super().__setattr__(name, before)
            raise
        finally:
            self.__dict__["_configured"] = True
        if self.built and name != "data_format":
            self.input_spec = spec  # which knows the channels
