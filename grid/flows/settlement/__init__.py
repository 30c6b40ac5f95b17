"""What was delivered, what it earned, who is paid, and what the utility owes."""
