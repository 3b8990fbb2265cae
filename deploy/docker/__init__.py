"""What the images are made of, and the secrets that `deploy/compose.yaml` mounts."""
