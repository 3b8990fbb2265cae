"""Health of the registered databases: checked in the background by one of the replicas, kept, and reported.

`checker` decides when and by whom, `state` keeps what was found, `interest` knows which databases somebody looks at,
`reports` answers users. What a check is, the engines' services know.
"""
