"""Who may see and do what with registered databases: what lists show, what callers are told about themselves."""
