"""The outside world on one machine: an automaker's cloud and its cars, price and carbon feeds, a bank, a mailbox."""
