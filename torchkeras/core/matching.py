"""Which of a file's names stands for which of ours.

May import nothing of the package.
"""


def matched(paths, names, wanted, shapes):
    """For each of our paths the place of its name in the file: by the longest ends that tell all of them apart, else by
    order.

    A model that was frozen when it was saved lists its weights in another order; models inside of models, and older
    versions, begin their paths otherwise. `:0` at the end of a name says nothing.

    Args:
        paths, names: lists of equal length.
        wanted, shapes: the shapes of both; ends that would bring other shapes together do not count.
    """
    mine = [path.split("/") for path in paths]
    theirs = [name.split(":")[0].split("/") for name in names]
    for length in range(max(map(len, theirs), default=0), 0, -1):
        ends = {tuple(path[-length:]): place for place, path in enumerate(theirs)}
        of_mine = [tuple(path[-length:]) for path in mine]
        if len(ends) == len(names) and set(of_mine) == set(ends):
            places = [ends[end] for end in of_mine]
            if [shapes[place] for place in places] == wanted:
                return places
    return list(range(len(names)))
