"""Pages of the grid room: home, car, events, earnings."""
