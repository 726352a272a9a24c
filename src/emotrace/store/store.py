"""Everything that is kept, opened once."""

from __future__ import annotations

from pathlib import Path

from emotrace.store.audit import Audit
from emotrace.store.database import Database
from emotrace.store.feedback import Feedback
from emotrace.store.folders import Folders
from emotrace.store.job_items import JobItems
from emotrace.store.jobs import Jobs
from emotrace.store.keys import Keys
from emotrace.store.recognitions import Recognitions

RECOGNITIONS = "recognitions"


class Store:
    """What the service remembers; safe for threads, and for several processes on one database and folder.

    Args:
        url: of the database, ``postgresql://...``; None is SQLite in the folder.
        folder: of the data; made if it is not there. Several servers share it, as they share the database.

    Raises:
        OptionError: the URL is of no database that is served.
        StoreError: the database cannot be reached, or was made by a newer emotrace.
        OutputError: the folder cannot be made.

    Attributes:
        recognitions: with their files.
        feedback: corrections of them.
        audit: who saw or removed what.
        keys: of the callers.
        jobs: recordings that are recognised later.
        job_items: the same, as those see it who do them.
        database: of all of them.
        folder: of the data.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = Store(None, Path(folder))
    ...     store.recognitions.search(None).items
    ...     store.close()
    ()
    """

    def __init__(self, url: str | None, folder: Path) -> None:
        self.folder = folder
        self.database = Database(url, folder)
        self.recognitions = Recognitions(self.database, Folders(folder / RECOGNITIONS))
        self.feedback = Feedback(self.database)
        self.audit = Audit(self.database)
        self.keys = Keys(self.database)
        self.jobs = Jobs(self.database)
        self.job_items = JobItems(self.database)

    def close(self) -> None:
        """Close the database."""
        self.database.close()
