"""Tell how far two reviewers agree."""
