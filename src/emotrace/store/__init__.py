"""What the service remembers, in a database and a folder: recognitions, feedback, keys, jobs, an audit log.

::

    store.py         Store: all of it, opened once           schema.py  the tables       types.py  their types
    database.py      SQLite or PostgreSQL, migrations at opening (migrations/), errors in words
    recognitions.py  adding, reading, deleting               feedback.py, audit.py, keys.py, jobs.py
    kept.py, listing.py  lines of their list                 archives.py  to archives by hand, and back
    files.py         what is written of a recognition        folders.py  whole or not at all
    paging.py        cursors                                 retention.py  what goes when, and where to

Needs the extra ``server``.
"""

from emotrace.store.audit import Audit, AuditEntry
from emotrace.store.feedback import Feedback
from emotrace.store.kept import Correction, Kept
from emotrace.store.keys import Key, Keys
from emotrace.store.paging import Page
from emotrace.store.recognitions import Recognitions
from emotrace.store.store import Store

__all__ = [
    "Audit",
    "AuditEntry",
    "Correction",
    "Feedback",
    "Kept",
    "Key",
    "Keys",
    "Page",
    "Recognitions",
    "Store",
]
