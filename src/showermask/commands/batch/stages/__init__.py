"""The stages of the pipeline, as a batch runs them."""
