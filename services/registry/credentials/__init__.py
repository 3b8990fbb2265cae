"""API keys and sessions: issuing and ending them, and telling every service of what has ended.

`store` keeps them, `postgres` in the platform database and `memory` where there is none; `feed` tells what ends;
`source` is what the runtime of this process, and through it every other service, asks.
"""
