"""Arrays in memory that are read as an exposure is."""

import numpy as np

from showermask.commands.propose.finder import find_candidates

GROUP_TIME = 2.775


class Cube:
    """Arrays in memory, read as an exposure is; keeps what was asked for."""

    def __init__(self, data, groupdq):
        self.data, self.groupdq, self.asked = data, groupdq, set()
        self.pixeldq = np.zeros(data.shape[-2:], np.uint32)

    @property
    def stack_shape(self):
        """Integrations and groups."""
        return self.data.shape[:2]

    def window(self, integration, group, box):
        """Return part of a frame."""
        self.asked.add(integration)
        return self.data[integration, group, *box]

    def dq_window(self, integration, group, box):
        """Return its flags."""
        return self.groupdq[integration, group, *box]

    def pixel_dq_window(self, box):
        """Return flags of all groups."""
        return self.pixeldq[box]


def found_in(builder, change=None, **options):
    """Return what is found in a ramp, after a change to its arrays."""
    data, flags = builder.array(), builder.group_dq()
    if change is not None:
        change(data[0], flags[0])
    image_shape = data.shape[-2:]
    return list(find_candidates(Cube(data, flags), image_shape, group_time=GROUP_TIME, **options))
