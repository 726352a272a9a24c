"""The web pages: analyse, live, batch, history, about; Gradio on the application of the service.

::

    mount.py      puts the pages on the application       door.py       what of Gradio is open, and to whom
    page.py       the page and its tabs                   controls.py   options that pages share
    analyse.py, live.py, batch.py, history.py, about.py   the tabs
    calls.py      how the pages ask the service           shelf.py      results for an hour
    downloads.py  their files                             languages.py, texts.py  every word
    result.py, drawing.py, markup.py                      HTML          static/     looks and scripts

Needs the extra ``server``.
"""

from emotrace.webui.mount import mount

__all__ = ["mount"]
