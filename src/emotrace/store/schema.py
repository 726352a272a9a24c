"""The tables. After a change: ``python scripts/new_migration.py "what it does"`` writes the migration."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    false,
)

from emotrace.store.types import Moment, Number, Words

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

recognitions = Table(
    "recognitions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(64), nullable=False),  # key of the caller
    Column("created", Moment, nullable=False),
    Column("source", Words, nullable=False),  # name of the file, never a path of this machine
    Column("emotion", String(32), nullable=False),
    Column("confidence", Double, nullable=False),
    Column("margin", Double, nullable=False),  # between the two likeliest emotions
    Column("decision", String(8)),  # of the verdict; null was not judged
    Column("codes", JSON, nullable=False),  # of the verdict's reasons
    Column("duration", Double, nullable=False),
    Column("model", String(200), nullable=False),
    Column("granularity", String(16), nullable=False),
    Column("options", JSON, nullable=False),
    Column("has_audio", Boolean, nullable=False),
    Column("bytes", BigInteger, nullable=False),  # of its files
    Column("label", String(32)),  # as last corrected
    Column("note", Words),  # as last given
    Column("reviewed", Moment),
    Column("reviewer", String(64)),
    Column("doubt", Double, nullable=False),  # order of the review queue: margin, and 1 more where kept
    Column("words", Words, nullable=False),  # case-folded source, label and note, to be searched
    Column("deleting", Boolean, nullable=False, server_default=false()),
    Index(None, "owner", "created", "id"),
    Index(None, "created", "id"),
    Index(None, "doubt", "id"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column(
        "recognition",
        String(64),
        ForeignKey("recognitions.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("author", String(64), nullable=False),
    Column("created", Moment, nullable=False),
    Column("label", String(32)),
    Column("note", Words),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False, index=True),
    Column("actor", String(64), nullable=False),  # key of the caller; "retention" is the service itself
    Column("action", String(32), nullable=False),
    Column("subject", String(64), index=True),  # id of what it was done to
    Column("detail", Words),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", Words, nullable=False),
    Column("hash", String(200), nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("created", Moment, nullable=False),
    Column("expires", Moment),
    Column("revoked", Moment),
    Column("last_used", Moment),
    Column("rate_per_minute", Integer),  # null is the server's own
    Column("concurrency", Integer),
)

ended_sessions = Table(
    "ended_sessions",
    metadata,
    Column("digest", String(64), primary_key=True),  # of the cookie
    Column("until", Moment, nullable=False),  # when it would have ended by itself
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("created", Moment, nullable=False),
    Column("options", JSON, nullable=False),  # fields of the form, as they came
    Column("clips", Integer, nullable=False),  # clips of the speaker beside the recordings
    Column("key", String(255)),  # the client's own, so that a replay is recognised
    Column("fingerprint", String(64), nullable=False),  # of all that came
    Column("enqueued", Boolean, nullable=False, server_default=false()),  # all its items are in the queue
    Column("cancelled", Moment),
    UniqueConstraint("owner", "key"),
    Index(None, "owner", "created", "id"),
    Index(None, "created", "id"),
)

job_items = Table(
    "job_items",
    metadata,
    Column("job", String(64), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),  # from 0, in the order of the upload
    Column("source", Words, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("state", String(16), nullable=False, server_default="queued"),
    Column("progress", Double, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),  # that began
    Column("started", Moment),
    Column("finished", Moment),
    Column("recognition", String(64)),  # which may be deleted by now
    Column("code", String(32)),
    Column("reason", Words),
    Index(None, "state"),
)

servers = Table(
    "servers",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("beat", String(64), nullable=False),  # another at each sign of life
)
