"""Records: what the server keeps, one by one."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from entrepot.client.ovbp.client import Client
    from entrepot.client.ovbp.endpoints import BaseEndpoint


class BaseModel:
    """A record of the server.

    Attributes
    ----------
    endpoint : BaseEndpoint
        The collection that it belongs to.
    client : Client
        The client that it came through.
    data : collections.OrderedDict
        Its values as the server last said them. Each key is an attribute of the record too.
    """

    def __init__(self, endpoint: "BaseEndpoint[Any]", data: dict[str, Any]) -> None:
        self.endpoint = endpoint
        self.client: Client = endpoint.client
        self.data = data

    def __getattr__(self, item: str) -> Any:
        try:
            return self.__dict__["data"][item]
        except KeyError:
            raise AttributeError(f"{item} not found") from None

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.data})

    def __repr__(self) -> str:
        shown = f"{self.data['name']} ({self.id})" if "name" in self.data else self.id
        return f"<{self.endpoint.path}: {shown}>"

    def reload(self) -> None:
        """Ask the server for the values of now."""
        self.data = self.client.rest_client.retrieve(self.endpoint.path, self.id)

    def update(self, **data: Any) -> None:
        """Change these values, here and on the server."""
        changed = self.client.rest_client.partial_update(self.endpoint.path, self.id, data)
        self.data.update({name: changed[name] for name in data})

    def delete(self) -> None:
        """Delete the record on the server, and all that hangs on it."""
        self.client.rest_client.destroy(self.endpoint.path, self.id)

    def detail_action(
        self,
        http_method: str,
        action_name: str,
        params: dict[str, Any] | None = None,
        data: Any = None,
        return_json: bool = True,
        send_json: bool = True,
    ) -> Any:
        """Do something with the record; see :meth:`RestClient.detail_action`."""
        return self.client.rest_client.detail_action(
            self.endpoint.path,
            self.id,
            http_method,
            action_name,
            params=params,
            data=data,
            return_json=return_json,
            send_json=send_json,
        )
