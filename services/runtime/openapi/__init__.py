"""The OpenAPI document of the whole API, derived from the contract: https://spec.openapis.org/oas/v3.1.0.

Nothing stands here about a single route. What an rpc says of itself in `protos/` (its REST form, its access, the rules
beside its fields, its comments) becomes what the document says of it:

    catalogue   messages, fields and enums of the descriptors, with their comments
    rules       protovalidate's rules as keywords of JSON Schema
    schemas     messages as schemas
    parameters  path, query and headers
    answers     successes and errors
    operations  rpcs as operations
    security    how callers authenticate
    beyond      paths that are no rpcs: forwarding, pg-meta, health
    document    all of it together
"""

from services.runtime.openapi.document import AREAS, build, render

__all__ = ["AREAS", "build", "render"]
