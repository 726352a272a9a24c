from __future__ import annotations

import asyncio
import socket

import pytest

from emotrace.errors import OptionError
from emotrace.server.address import listen, url_of
from emotrace.server.settings import Settings
from tests.server.served import TOKEN, app_of


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_other_machines_are_let_in_with_a_key_only(host: str) -> None:
    with pytest.raises(OptionError, match=r"make a key .*, give it a token"):
        app_of(host=host)
    app_of(host=host, token=TOKEN)
    app_of(host=host, insecure=True)


def test_with_a_token_it_listens_everywhere() -> None:
    with listen(Settings.of(host="0.0.0.0", port=0, token=TOKEN)) as listener:
        assert url_of(listener).startswith("http://0.0.0.0:")


def test_by_default_it_is_this_machine_alone() -> None:
    with listen(Settings.of(port=0)) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_answers_are_sent_at_once() -> None:
    """Without Nagle's algorithm, which asyncio switches off for what it knows to be TCP."""

    async def accepted() -> int:
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def met(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            known: socket.socket = writer.get_extra_info("socket")
            done.set_result(known.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with listen(Settings.of(port=0)) as listener:
            async with await asyncio.start_server(met, sock=listener):
                _, writer = await asyncio.open_connection(*listener.getsockname())
                found = await done
                writer.close()
                await writer.wait_closed()
                return found

    assert asyncio.run(accepted()) != 0


def test_a_port_that_is_taken_is_told_with_a_way_out() -> None:
    with (
        listen(Settings.of(port=0)) as first,
        pytest.raises(OptionError, match="in use; choose another with --port"),
    ):
        listen(Settings.of(port=first.getsockname()[1]))


def test_a_host_that_is_none() -> None:
    with pytest.raises(OptionError, match="no address of this machine"):
        listen(Settings.of(host="x" * 100, port=0))
