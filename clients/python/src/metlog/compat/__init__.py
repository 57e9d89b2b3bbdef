"""The API of metlog-py (2011 to 2013), so that its users change an import.

``metlog.client`` is ``metlog.compat.client``, and so on.

>>> from metlog.compat.client import MetlogClient
>>> from metlog.compat.senders import UdpSender
>>> client = MetlogClient(UdpSender("127.0.0.1", 5565), "sync")

What that library got wrong is not kept: timers are sampled for each call, by a monotonic clock; the fields that a
caller passes are not changed; the process id is right after a fork; nothing waits for a socket.
"""
