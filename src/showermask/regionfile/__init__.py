"""Region files, their entries, and the rule by which they are found."""
