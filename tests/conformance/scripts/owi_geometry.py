"""Geometry as the published client's example has it: turbines of three parts, processed, drawn, cut for soil models."""

import json
import sys
from pathlib import Path

import requests
from owi.metadatabase.geometry.io import GeometryAPI
from owi.metadatabase.locations.io import LocationsAPI

given = json.loads(Path(sys.argv[1]).read_text())
options = {"api_root": given["api_root"], **given["credentials"]}
name = given["name"]
geometry, locations = GeometryAPI(**options), LocationsAPI(**options)
seen = {}


def post(path, payload):
    answer = requests.post(given["api_root"] + path, json=payload, headers=geometry.header, auth=geometry.auth)
    answer.raise_for_status()
    return answer.json()["id"]


site = post("/locations/projectsites/", {"title": name})
model = post("/geometry/routes/modeldefinitions/", {"title": "as-built", "project": site})
steel = {"density": 7850, "poisson_ratio": 0.3, "young_modulus": 210}
steel = post("/geometry/userroutes/materials/", {"title": f"S355 {name}", "description": "steel", **steel})
place = {"x_position": 0, "y_position": 0, "vertical_position_reference_system": "LAT"}
turned = {"x_position": 0, "y_position": 0, "alpha": 0, "beta": 0, "gamma": 0, "vertical_position_reference_system": "SUB"}


def can(part, title, z, height, top, bottom, wall):
    tube = {"height": height, "top_outer_diameter": top, "bottom_outer_diameter": bottom, "wall_thickness": wall}
    post("/geometry/userroutes/buildingblocks/", {"title": title, "sub_assembly": part, "material": steel, "z_position": z, **turned, **tube})


def part(asset, kind, z):
    fields = {"title": f"{name}_{kind}", "subassembly_type": kind, "source": "design", "asset": asset, "model_definition": model}
    return post("/geometry/userroutes/subassemblies/", {**fields, **place, "z_position": z})


def turbine(number):
    title = f"{name}{number}"
    asset = post("/locations/assetlocations/", {"title": title, "projectsite": site, "northing": 51.6, "easting": 2.8, "elevation": -30})
    tower, transition, pile = part(asset, "TW", 16000), part(asset, "TP", -3000), part(asset, "MP", -62500)
    can(tower, f"{title}_tw_01", 1000, 59000, 3500, 4500, 30)
    can(tower, f"{title}_tw_02", 0, 1000, 4500, 4500, 65)
    can(transition, f"{title}_tp_01", 18800, 200, 4500, 5250, 50)
    can(transition, f"{title}_tp_02", 0, 18800, 5250, 5250, 50)
    can(pile, f"{title}_mp_01", 40000, 30000, 5050, 5500, 100)
    can(pile, f"{title}_mp_02", 0, 40000, 5500, 6000, 150)
    rna = {"title": f"{title}_RNA", "sub_assembly": tower, "z_position": 60000, "mass": 130000.0}
    rna |= {f"moment_of_inertia_{axis}": 1e6 for axis in "xyz"}
    post("/geometry/userroutes/buildingblocks/", {**rna, **turned})
    flange = {"title": f"{title}_FLANGE", "sub_assembly": transition, "z_position": 19000, "mass": 1500.0, **turned}
    post("/geometry/userroutes/buildingblocks/", flange)
    ladder = {"title": f"{title}_LADDER", "sub_assembly": transition, "z_position": 14500, "height": 4500, **turned}
    ladder |= {"mass_distribution": 27.5, "volume_distribution": 0.0125, "area_distribution": 0.1, "c_d": 0, "c_m": 0}
    post("/geometry/userroutes/buildingblocks/", ladder)
    return title


titles = [turbine(1), turbine(2)]
owts = geometry.get_owt_geometry_processor(titles)
owts.process_structures()
frame = owts.all_turbines
seen["turbines"] = frame["Turbine name"].tolist()
seen["heights"] = frame[["Monopile toe [m]", "Monopile head [m]", "Tower base [m]", "Water depth [m]"]].to_numpy().tolist()
seen["masses"] = [round(float(mass), 2) for mass in frame["Tower mass [t]"]]
seen["rna"] = [round(float(mass), 2) for mass in frame["RNA mass [t]"]]
seen["tower"] = len(owts.select_owt(titles[0]).tower)
seen["tubes"] = len(owts.all_tubular_structures)
seen["lumped"] = len(owts.all_lumped_mass)
pile = geometry.get_monopile_pyles(projectsite=name, assetlocation=titles[0], model_definition="as-built")
seen["pile"] = [pile["Pile material"].unique().tolist() == [f"S355 {name}"], pile["Youngs modulus [GPa]"].unique().tolist(), len(pile)]
seen["drawn"] = len(geometry.plot_turbines(titles, return_fig=True).data) >= 6
seen["definitions"] = geometry.get_model_definitions(projectsite=name)["data"]["title"].tolist()
seen["definition"] = geometry.get_modeldefinition_id(projectsite=name)["id"] == model
seen["materials"] = f"S355 {name}" in geometry.get_materials()["data"]["title"].tolist()
objects = geometry.get_subassembly_objects(titles[0], model_definition_id=model)
seen["objects"] = {kind: round(float(one.mass), 1) for kind, one in objects.items()}
blocks = [block for one in objects.values() for block in one.building_blocks]
seen["blocks"] = sorted({block.type for block in blocks})
seen["described"] = all(block.as_dict() and str(block) and block.moment_of_inertia and block.mass is not None for block in blocks)
seen["frames"] = [len(one.as_df()) for one in objects.values()]
seen["outlines"] = [one.absolute_top > one.absolute_bottom and len(one.outline[0]) > 3 for one in objects.values()]
seen["near"] = locations.get_assetlocations(projectsite=name)["data"]["title"].tolist() == titles
Path(sys.argv[2]).write_text(json.dumps(seen, default=float))
