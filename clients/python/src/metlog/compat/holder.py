"""The clients of a process, by name."""

from __future__ import annotations

from typing import Any, Dict, Optional

from .client import MetlogClient


class ClientHolder:
    """Holds clients, and what is configured for all of them."""

    def __init__(self) -> None:
        self._clients: Dict[str, MetlogClient] = {}
        self.global_config: Dict[str, Any] = {}

    def get_client(self, name: str) -> MetlogClient:
        """The client of a name; it is made where there is none."""
        client = self._clients.get(name)
        if client is None:
            client = self._clients[name] = MetlogClient(logger=name)
        return client

    def set_client(self, name: str, client: MetlogClient) -> None:
        """Names a client."""
        self._clients[name] = client

    def delete_client(self, name: str) -> None:
        """Forgets a client."""
        self._clients.pop(name, None)

    def set_default_client_name(self, name: Optional[str]) -> None:
        """Says which client decorators use."""
        self.global_config["default"] = name

    @property
    def default_client(self) -> MetlogClient:
        """The client that decorators use, where they name none."""
        return self.get_client(self.global_config.get("default") or "")


CLIENT_HOLDER = ClientHolder()


def get_client(name: str, config_dict: Optional[Dict[str, Any]] = None) -> MetlogClient:
    """The client of a name, set up by a mapping where there is one.

    Raises:
        ValueError: if the mapping names another logger.
    """
    client = CLIENT_HOLDER.get_client(name)
    if config_dict:
        from .config import client_from_dict_config

        if config_dict.get("logger", name) != name:
            raise ValueError(f"the configuration is of the logger `{config_dict['logger']}`, not of `{name}`")
        client = client_from_dict_config({**config_dict, "logger": name}, client)
    return client
