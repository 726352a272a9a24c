"""One resident service: the classic endpoint and the REST API over one pipeline and one loaded model.

::

    app.py        the application: routes, errors, guards, start and end
    settings.py   all settings in one record          address.py   where it listens, and whether it may
    guard.py      who may ask: host, origin, token    body.py      how much a client may send, and how slowly
    uploads.py    multipart bodies                    forms.py     the options of a request
    service.py    what all routes share               work.py      threads behind a bounded queue, deadlines
    models.py     models: loaded once, released       problems.py  errors as problem+json
    schemas.py    what is answered                    api.py, classic.py  the routes
    renderings.py CSV, pictures and other forms       watch.py     each request from outside: line and figures
    logs.py       lines for people or programs        metrics.py   figures for Prometheus
    settings_sources.py  flags, variables and TOML file
    keeping.py    what is kept, and how long          history*.py routes of the history

Needs the extra ``server``.
"""
