"""What was recognised: search, feedback, review, deletion."""
