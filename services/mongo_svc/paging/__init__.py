"""Pages of documents that go on where the page before ended, by the values of the sort key.

- `order`: what documents are sorted by, and whether a position in it can be named;
- `brackets`: the conditions for all that comes behind a position, for every BSON type;
- `places`: the values of a sort key in a document;
- `projections`: asking for the sort key beside what was asked for, and taking it out again;
- `tokens`: a position as text;
- `pages`: a page.
"""

from services.mongo_svc.paging.pages import Page, page

__all__ = ["Page", "page"]
