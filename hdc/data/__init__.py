"""From video files to batches of clips; nothing here knows a network or a loss."""
