"""Starts the MongoDB service: `python -m services.mongo_svc`."""

from services.mongo_svc.app import open_app
from services.mongo_svc.settings import Settings
from services.runtime.server import run

if __name__ == "__main__":
    run("mongo_svc", Settings, open_app)
