"""Starts the Bun API service: `python -m services.bun_proxy`."""

from services.bun_proxy.app import open_app
from services.bun_proxy.settings import Settings
from services.runtime.server import run

if __name__ == "__main__":
    run("bun_proxy", Settings, open_app)
