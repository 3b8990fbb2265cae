"""The services of Studio Databases."""
