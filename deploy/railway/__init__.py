"""What Railway is told: variables, and the settings of each service in its older form (`railway.json`)."""
