"""What utilities offer: programs and their terms, who may join, and who has."""
