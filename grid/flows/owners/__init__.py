"""What owners see of the grid: their night, their home, their carbon, reminders and reasons."""
