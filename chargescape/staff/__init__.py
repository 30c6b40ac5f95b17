"""Where staff work: the admin's door, the roles of those who may pass, and the page that shows everything at once."""
