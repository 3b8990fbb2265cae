"""`studio.mongodb.v1.DocumentService`: requests to calls of the engine's modules, results to responses."""

from __future__ import annotations

from services.mongo_svc.client import MongoClient
from services.mongo_svc.handlers.document_reads import DocumentReads
from services.mongo_svc.handlers.document_writes import DocumentWrites
from services.runtime.databases import Databases


class DocumentHandler(DocumentReads, DocumentWrites):
    """The service.

    Args:
        databases: gives the clients.
    """

    def __init__(self, databases: Databases[MongoClient]) -> None:
        DocumentReads.__init__(self, databases)
        DocumentWrites.__init__(self, databases)
