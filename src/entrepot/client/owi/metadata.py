"""Sites, locations, geometry and sensors over HTTP: what analyses and rows refer to."""

from collections.abc import Mapping, Sequence
from typing import IO, Any

import httpx

from entrepot.client.owi.base import API, Answer
from entrepot.client.owi.exceptions import InvalidParameterError

#: Open files, or names and open files, by the names of fields.
Files = Mapping[str, IO[bytes] | bytes | tuple[str, IO[bytes] | bytes]]
_MODEL_DEFINITIONS = "/geometry/routes/modeldefinitions"


def _given(**filters: Any) -> dict[str, Any]:
    return {name: value for name, value in filters.items() if value is not None}


class LocationsAPI(API):
    """Sites and their locations."""

    def __init__(self, api_subdir: str = "/locations/", **options: Any) -> None:
        super().__init__(api_subdir, **options)

    def get_projectsites(self, **filters: Any) -> Answer:
        """Return the sites."""
        return self._list("projectsites", filters)

    def get_projectsite_detail(self, projectsite: str, **filters: Any) -> Answer:
        """Return the site of this title, with its ``id``."""
        return self._single("projectsites", {"projectsite": projectsite, **filters})

    def get_assetlocations(
        self, projectsite: str | None = None, assetlocations: Sequence[str] | None = None, **filters: Any
    ) -> Answer:
        """Return the locations, of a site or of these titles."""
        return self._list("assetlocations", _given(projectsite__title=projectsite, title=assetlocations, **filters))

    def get_assetlocation_detail(self, assetlocation: str, projectsite: str | None = None, **filters: Any) -> Answer:
        """Return the location of this title, with its ``id``."""
        return self._single("assetlocations", _given(projectsite=projectsite, assetlocation=assetlocation, **filters))


class GeometryAPI(API):
    """Model definitions, and what structures are made of."""

    def __init__(self, api_subdir: str = "/geometry/userroutes/", **options: Any) -> None:
        super().__init__(api_subdir, **options)

    def get_model_definitions(self, projectsite: str | None = None) -> Answer:
        """Return the model definitions, of a site."""
        return self._list(_MODEL_DEFINITIONS, _given(site=projectsite))

    def get_modeldefinition_id(
        self,
        assetlocation: str | None = None,
        projectsite: str | None = None,
        model_definition: str | None = None,
    ) -> Answer:
        """Return the ``id`` of a model definition of a site, by its title or as the only one.

        Raises
        ------
        InvalidParameterError
            Neither a site nor a location is given; or there are several, or none.
        """
        if projectsite is None and assetlocation is not None:
            found = self._list("/locations/assetlocations", {"assetlocation": assetlocation})["data"]
            if found.empty:
                raise InvalidParameterError(f"There is no location {assetlocation!r}.")
            projectsite = str(found["projectsite_name"].iloc[0])
        if projectsite is None:
            raise InvalidParameterError("Give a projectsite or an assetlocation.")
        answer = self.get_model_definitions(projectsite)
        data = answer["data"]
        if model_definition is not None and not data.empty:
            data = data[data["title"] == model_definition]
        if len(data) != 1:
            named = f" {model_definition!r}" if model_definition is not None else ""
            raise InvalidParameterError(f"{projectsite} has {len(data)} model definitions{named}: one is needed.")
        return answer | {"id": data["id"].iloc[0], "multiple_modeldef": len(answer["data"]) > 1}

    def get_subassemblies(
        self,
        projectsite: str | None = None,
        assetlocation: str | None = None,
        subassembly_type: str | None = None,
        model_definition: str | None = None,
    ) -> Answer:
        """Return subassemblies; `subassembly_type` is such as ``TW``, ``TP`` or ``MP``."""
        definition_id = None
        if model_definition is not None:
            found = self.get_modeldefinition_id(assetlocation, projectsite, model_definition)
            definition_id = int(found["id"])
        return self._list(
            "subassemblies",
            _given(
                asset__projectsite__title=projectsite,
                asset__title=assetlocation,
                subassembly_type=subassembly_type,
                model_definition=definition_id,
            ),
        )

    def get_buildingblocks(
        self,
        projectsite: str | None = None,
        assetlocation: str | None = None,
        subassembly_type: str | None = None,
        subassembly_id: int | None = None,
    ) -> Answer:
        """Return building blocks of subassemblies."""
        return self._list(
            "buildingblocks",
            _given(
                sub_assembly__asset__projectsite__title=projectsite,
                sub_assembly__asset__title=assetlocation,
                sub_assembly__subassembly_type=subassembly_type,
                sub_assembly__id=subassembly_id,
            ),
        )

    def get_materials(self) -> Answer:
        """Return the materials."""
        return self._list("materials", {})


class ShmAPI(API):
    """Sensors, signals and their history."""

    def __init__(self, api_subdir: str = "/shm/routes/", **options: Any) -> None:
        super().__init__(api_subdir, **options)

    def list_sensor_types(self, **filters: Any) -> Answer:
        """Return types of sensors."""
        return self._list("sensortype", filters)

    def list_sensors(self, **filters: Any) -> Answer:
        """Return sensors."""
        return self._list("sensor", filters)

    def get_sensor(self, **filters: Any) -> Answer:
        """Return the one sensor that filters let pass."""
        return self._single("sensor", filters)

    def list_signals(self, **filters: Any) -> Answer:
        """Return signals."""
        return self._list("signal", filters)

    def get_signal(self, signal_id: str, **filters: Any) -> Answer:
        """Return the signal of this name."""
        return self._single("signal", {"signal_id": signal_id, **filters})

    def list_signal_history(self, **filters: Any) -> Answer:
        """Return since when signals have which state."""
        return self._list("signalhistory", filters)

    def create_sensor_type(self, payload: Mapping[str, Any], files: Files | None = None) -> Answer:
        """Create a type of sensors, with files if any: ``{"file": ("picture.png", open_file)}``."""
        return self._made("sensortype", payload, files)

    def create_sensor_calibration(self, payload: Mapping[str, Any], files: Files | None = None) -> Answer:
        """Create a calibration of a sensor, with its datasheet if any."""
        return self._made("sensorcalibration", payload, files)

    def create_sensor(self, payload: Mapping[str, Any]) -> Answer:
        """Create a sensor."""
        return self._made("sensor", payload)

    def create_signal(self, payload: Mapping[str, Any]) -> Answer:
        """Create a signal."""
        return self._made("signal", payload)

    def create_signal_history(self, payload: Mapping[str, Any]) -> Answer:
        """Create a record of a signal's state."""
        return self._made("signalhistory", payload)

    def _made(self, path: str, payload: Mapping[str, Any], files: Files | None = None) -> Answer:
        place = f"{self._subdir}{path}/"
        if not files:
            return self._one(self.send("POST", place, dict(payload)))
        form = httpx.Request("POST", self.base_api_root, data=_given(**payload), files=files)
        content, kind = form.read(), form.headers["content-type"]
        return self._one(self._call("POST", place, content=content, content_type=kind, once=True))
