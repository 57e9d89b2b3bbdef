"""What a client is set up with where nothing else is said."""

HOST = "localhost"
PORT = 8125
IPV6 = False
PREFIX = None
MAXUDPSIZE = 512
