"""What utilities ask for: events made, approved, announced, changed, left out and stopped."""
