"""Protocols of ``thriftpy2.contrib.aio``, which read by awaiting."""

from __future__ import annotations

from typing import Any

from thriftpy2.protocol.exc import TProtocolException

from . import _carriers
from ._proxies import Proxy
from ._serve import HEAD


class In(Proxy):
    """What is read, without carriers."""

    async def read_message_begin(self) -> Any:
        """See ``TAsyncProtocolBase``."""
        inner, work = self._metlog_inner, self._metlog_work
        asking = work.head(None, inner.trans)
        try:
            wanted = next(asking)
            while True:
                given: Any = await (inner.read_message_begin() if wanted == HEAD else _exactly(inner.trans, wanted))
                wanted = asking.send(given)
        except StopIteration as done:
            return tuple(done.value)
        except _carriers.Malformed as error:
            raise TProtocolException(TProtocolException.INVALID_DATA, str(error)) from None


async def _exactly(trans: Any, size: int) -> bytes:
    data: bytes = await trans.read(size)
    while len(data) < size:
        more = await trans.read(size - len(data))
        if not more:
            raise _carriers.Malformed("a header ends too early")
        data += more
    return data
