"""Who calls: tokens of users and of services."""
