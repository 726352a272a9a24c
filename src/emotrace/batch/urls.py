"""Which names are URLs, and which of those are read: objects in stores, named without credentials."""

from __future__ import annotations

import re

from emotrace.errors import InputError

PACKAGES = {
    "s3": "emotrace[cloud]",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
}
"""The schemes that are read, and what must be installed for each."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://")


def is_url(name: str) -> bool:
    """Whether a name is a URL of any kind.

    >>> is_url("s3://bucket/a.wav"), is_url("https://x/a.wav"), is_url("C:/a.wav"), is_url("a.wav")
    (True, True, False, False)
    """
    return _URL.match(name) is not None


def is_remote(name: str) -> bool:
    """Whether a name is that of an object in a store that is read.

    >>> is_remote("s3://bucket/a.wav"), is_remote("https://x/a.wav")
    (True, False)
    """
    match = _URL.match(name)
    return match is not None and match[1].lower() in PACKAGES


def without_secrets(url: str) -> str:
    """A URL as it may stand in logs and records.

    >>> without_secrets("s3://key:secret@bucket/a.wav")
    's3://***@bucket/a.wav'
    >>> without_secrets("https://host/a.wav?X-Amz-Signature=0123")
    'https://host/a.wav?***'
    """
    if is_remote(url):
        return re.sub(r"^([^/]*//)[^/]*:[^/]*@", r"\1***@", url)
    return re.sub(r"\?.*", "?***", re.sub(r"^([^/]*//)[^/]*@", r"\1***@", url), flags=re.DOTALL)


def check_url(url: str) -> None:
    """Refuse a URL that is not read.

    Raises:
        InputError: it is of another kind, names no bucket, or has credentials in it.
    """
    shown = without_secrets(url)
    if not is_remote(url):
        raise InputError(
            f"{shown!r} is a URL that is not opened; expected one of {', '.join(PACKAGES)}://, or the path "
            "of a downloaded file"
        )
    if shown != url:
        raise InputError(
            f"{shown!r} has credentials in it; give them in the environment or in the store's own "
            "configuration file"
        )
    if not url.partition("://")[2].strip("/"):
        raise InputError(f"{url!r} names no bucket; expected {url.partition(':')[0]}://BUCKET/...")
