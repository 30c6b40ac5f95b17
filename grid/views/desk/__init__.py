"""A utility's desk: its programs, events, results, invoices and nominations; nobody else's, and no owner's name."""
