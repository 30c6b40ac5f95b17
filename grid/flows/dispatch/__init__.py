"""From plans to commands, and from readings back: events as closed loops."""
