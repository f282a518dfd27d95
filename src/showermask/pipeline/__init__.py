"""The pipeline step, the drop-in pipeline, and the record of what they did."""
