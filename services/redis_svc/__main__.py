"""Starts the Redis service: `python -m services.redis_svc`."""

from services.redis_svc.app import open_app
from services.redis_svc.settings import Settings
from services.runtime.server import run

if __name__ == "__main__":
    run("redis_svc", Settings, open_app)
