"""TLS between the services of this system: certificates from files, read again when they change, no restart."""
