"""What the people of a utility see of their cars and events."""
