"""Each car's night: what is known of it, planned when due, kept, and made anew when something changed."""
