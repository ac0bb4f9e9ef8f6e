"""Errors of this client, by the names that its documentation uses."""

import httpx


class APIException(Exception):
    """Something went wrong; parent of the others."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class APIConnectionError(APIException):
    """The server answered with an error, which `response` has, or not at all."""

    def __init__(self, message: str, response: httpx.Response | None = None) -> None:
        self.response = response
        super().__init__(message)


class DataProcessingError(APIException):
    """An answer is not what was expected."""

    def __init__(self, message: str = "Error during data processing.") -> None:
        super().__init__(message)


class InvalidParameterError(APIException):
    """Parameters are invalid, missing, or match more than they may."""

    def __init__(self, message: str = "Invalid or missing parameters for the request.") -> None:
        super().__init__(message)
