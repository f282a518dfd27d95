"""What the tests compare with: slow, and plain enough to be believed."""

DO_NOT_USE, SATURATED, JUMP_DET = 1, 2, 4


def lone_groups(dq):
    """Return, group by group, whether a usable group of one pixel has no link to a neighbour."""
    usable = [not value & (DO_NOT_USE | SATURATED) for value in dq]
    links = [usable[i] and usable[i + 1] and not dq[i + 1] & JUMP_DET for i in range(len(dq) - 1)]
    padded = [False, *links, False]
    return [usable[i] and not padded[i] and not padded[i + 1] for i in range(len(dq))]
