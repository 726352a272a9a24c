"""One resident service: the classic endpoint and the REST API over one pipeline and one loaded model.

::

    app.py        the application: routes, errors, guards, start and end; run.py runs it
    settings.py   all settings in one record; settings_sources.py  from flags, variables and a TOML file
    access/       where requests come in: HTTP, proxies, keys, sessions, the guard, limits
    door.py       refuses what there is no room for    body.py      how much a client may send, and how slowly
    uploads.py    multipart bodies                     forms.py     the options of a request
    service.py    what all routes share                work.py      threads behind a bounded queue, deadlines
    turns.py      who computes, and what shares a batch    models.py   loaded once, released, tried again
    api.py, classic.py  the routes                     schemas.py, renderings.py  what is answered
    keeping.py    what is kept, and how long           problems.py  errors as problem+json
    history/, jobs/, live/   recognitions that are kept, jobs on DBOS, streams over WebSocket
    monitoring/   logs, their redaction, figures for Prometheus

Needs the extra ``server``.
"""
