"""Many exposures at once: the processes of this machine or of a dask cluster."""
