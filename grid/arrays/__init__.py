"""From what is known of cars to the planner's arrays, and from its answers back to plans; no Django."""
