"""Everything public of a client's package: classes, functions, constants, their signatures, and a client's endpoints."""

import importlib
import inspect
import io
import json
import pkgutil
import sys

given, taken = sys.argv[1:3]
with open(given) as f:
    package = json.load(f)["package"]


def parameters(function):
    """Return `[name, kind, default]` of each parameter; the default as Python shows it, None for none."""
    return [
        [p.name, p.kind.name, None if p.default is p.empty else repr(p.default)]
        for p in inspect.signature(function).parameters.values()
    ]


def members(cls):
    """Return the public members of a class, inherited ones too, with the signatures of those that are called."""
    found = {}
    for name in dir(cls):
        if name.startswith("_") and name != "__init__":
            continue
        value = inspect.getattr_static(cls, name)
        if name == "__init__" and value is object.__init__:
            continue
        found[name] = parameters(value) if inspect.isfunction(value) else "value"
    return found


def public(module):
    """Return what a module offers: what it defines, and what it takes from the rest of the package."""
    found = {}
    for name, value in vars(module).items():
        own = getattr(value, "__module__", "") or ""
        if name.startswith("_"):
            continue
        if inspect.isclass(value) and own.startswith(package):
            found[name] = {"class": members(value), "home": own}
        elif inspect.isfunction(value) and own.startswith(package):
            found[name] = {"function": parameters(value), "home": own}
        elif isinstance(value, (str, int)) and name.isupper():
            found[name] = {"constant": value, "home": module.__name__}
    return found


root = importlib.import_module(package)
modules = [root.__name__, *(module.name for module in pkgutil.walk_packages(root.__path__, f"{package}."))]
surface = {name: public(importlib.import_module(name)) for name in modules}
client = root.Client(io.StringIO("login\npassword"), "http://localhost")
endpoints = {
    name: [value.path, type(value).__name__, [n for n in dir(value.model_cls) if not n.startswith("_")]]
    for name, value in vars(client).items()
    if hasattr(value, "model_cls")
}
with open(taken, "w") as f:
    json.dump({"modules": surface, "endpoints": endpoints}, f)
