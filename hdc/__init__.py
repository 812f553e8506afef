"""Self-supervised video representation learning, from video files to tables."""
