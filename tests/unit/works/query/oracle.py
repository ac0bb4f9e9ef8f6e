"""A small matcher of MongoDB queries, written from the documented semantics alone.

It shares nothing with the product: queries are read as JSON, values are compared through sort keys, and a path is
followed breadth first, all of its branches at once.
"""

import math
import re
from fractions import Fraction
from typing import Any

ABSENT = object()


def key(value: Any) -> tuple[Any, ...]:
    """A tuple that sorts as the BSON order does; equal values have equal keys."""
    if value is ABSENT:
        return (0,)
    if value is None:
        return (1,)
    if value is True or value is False:
        return (9, value)
    if isinstance(value, float) and math.isnan(value):
        return (2, 0)
    if isinstance(value, float) and math.isinf(value):
        return (2, 3) if value > 0 else (2, 1)
    if isinstance(value, (int, float)):
        return (2, 2, Fraction(value))
    if isinstance(value, str):
        return (3, [ord(char) for char in value])
    if isinstance(value, dict):
        return (4, [(key(value[name])[0], [ord(c) for c in name], key(value[name])) for name in sorted(value)])
    return (5, [key(item) for item in value])


def follow(document: Any, path: str) -> list[tuple[Any, bool]]:
    """Return the values at the end of a path as pairs (value, whether an index has just selected it)."""
    found, front = [], [(document, path.split("."), False)]
    while front:
        value, rest, selected = front.pop()
        if not rest:
            found.append((value, selected))
        elif isinstance(value, list):
            front += [(item, rest, False) for item in value if isinstance(item, dict)]
            if re.fullmatch("0|[1-9][0-9]*", rest[0]) and int(rest[0]) < len(value):
                item = value[int(rest[0])]
                if len(rest) == 1 or isinstance(item, (list, dict)):
                    front.append((item, rest[1:], True))
        elif isinstance(value, dict):
            front.append((value.get(rest[0], ABSENT), rest[1:], False))
        else:
            found.append((ABSENT, False))
    return found


def matches(query: Any, document: Any) -> bool:
    return all(clause(document, name, condition) for name, condition in query.items())


def clause(document: Any, name: str, condition: Any) -> bool:
    if name == "$and":
        return all(matches(part, document) for part in condition)
    if name == "$or":
        return any(matches(part, document) for part in condition)
    if name == "$nor":
        return not any(matches(part, document) for part in condition)
    if name == "$comment":
        return True
    if name == "$expr":
        return truth(evaluate(condition, document))
    places = follow(document, name)
    if is_operators(condition):
        return operators(condition, places)
    return operators({"$eq": condition}, places)


def is_operators(condition: Any) -> bool:
    return isinstance(condition, dict) and bool(condition) and next(iter(condition))[:1] == "$"


def operators(condition: Any, places: list[tuple[Any, bool]]) -> bool:
    """Do all operators hold of the places (each: a value, and whether it stands for itself alone)?"""
    whole = [value for value, _ in places]
    spread = [
        item
        for value, alone in places
        for item in ([value] if alone or not isinstance(value, list) else [value, *value])
    ]
    for name, operand in condition.items():
        if name == "$not":
            holds = not operators(operand, places)
        elif name == "$ne":
            holds = not operators({"$eq": operand}, places)
        elif name == "$nin":
            holds = not operators({"$in": operand}, places)
        elif name == "$all":
            each = [v if isinstance(v, dict) and "$elemMatch" in v else {"$eq": v} for v in operand]
            holds = bool(operand) and all(operators(part, places) for part in each)
        elif name == "$exists":
            holds = any(value is not ABSENT for value in spread) is truth(operand)
        elif name == "$size":
            holds = any(isinstance(value, list) and len(value) == operand for value in whole)
        elif name == "$elemMatch":
            holds = any(elem(operand, item) for value in whole if isinstance(value, list) for item in value)
        elif name == "$options":
            continue
        else:
            holds = any(single(name, operand, condition.get("$options", ""), value) for value in spread)
        if not holds:
            return False
    return True


def elem(condition: Any, item: Any) -> bool:
    if is_operators(condition) and next(iter(condition)) not in ("$and", "$or", "$nor"):
        return operators(condition, [(item, True)])
    if isinstance(item, list):
        item = {str(index): value for index, value in enumerate(item)}
    return isinstance(item, dict) and matches(condition, item)


def single(name: str, operand: Any, options: str, value: Any) -> bool:
    if name == "$eq":
        return key(value) == key(operand) or (operand is None and value is ABSENT)
    if name == "$in":
        return any(single("$eq", listed, "", value) for listed in operand)
    if name in ("$gt", "$gte", "$lt", "$lte"):
        if operand is None and value is ABSENT:
            return name in ("$gte", "$lte")
        a, b = key(value), key(operand)
        if a[0] != b[0]:
            return False
        return {"$gt": a > b, "$gte": a >= b, "$lt": a < b, "$lte": a <= b}[name]
    if name == "$type":
        return any(has_type(value, wanted) for wanted in (operand if isinstance(operand, list) else [operand]))
    if name == "$regex":
        flags = re.ASCII | sum(
            {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}[option] for option in options
        )
        return isinstance(value, str) and re.search(operand, value, flags) is not None
    if name.startswith("$bits"):
        if key(value)[0] != 2 or Fraction(value).denominator != 1 or not -(2**63) <= value < 2**63:
            return False
        positions = operand if isinstance(operand, list) else [p for p in range(63) if int(operand) >> p & 1]
        bits = [int(value) >> position & 1 for position in positions]
        return {
            "$bitsAllSet": all(bits), "$bitsAnySet": any(bits),
            "$bitsAllClear": not any(bits), "$bitsAnyClear": not all(bits),
        }[name]  # fmt: skip
    if name == "$mod":
        if key(value)[0] != 2:
            return False
        divisor, rest = int(operand[0]), int(operand[1])
        quotient = Fraction(int(value), divisor)
        return int(value) - divisor * math.trunc(quotient) == rest
    raise AssertionError(name)


def has_type(value: Any, wanted: Any) -> bool:
    codes = {1: "double", 2: "string", 3: "object", 4: "array", 8: "bool", 10: "null", 16: "int", 18: "long"}
    wanted = codes.get(wanted, wanted)
    if value is ABSENT:
        return False
    if isinstance(value, bool):
        return wanted == "bool"
    if isinstance(value, int):
        size = value.bit_length() if value >= 0 else (value + 1).bit_length()
        names = {"number"} | ({"int"} if size < 32 else {"long"} if size < 64 else set())
        return wanted in names
    simple = {float: ("double", "number"), str: ("string",), dict: ("object",), list: ("array",), type(None): ("null",)}
    return wanted in simple[type(value)]


def truth(value: Any) -> bool:
    return value is not ABSENT and value is not None and value is not False and not (key(value)[0] == 2 and value == 0)


def read(document: Any, steps: list[str]) -> Any:
    if not steps:
        return document
    if isinstance(document, dict):
        return read(document[steps[0]], steps[1:]) if steps[0] in document else ABSENT
    if isinstance(document, list):
        inner = [read(item, steps) for item in document if isinstance(item, dict)]
        return [item for item in inner if item is not ABSENT]
    return ABSENT


def evaluate(node: Any, document: Any) -> Any:
    if isinstance(node, str) and node[:1] == "$":
        return read(document, node[1:].split("."))
    if isinstance(node, list):
        return [None if (item := evaluate(part, document)) is ABSENT else item for part in node]
    if not isinstance(node, dict):
        return node
    if not is_operators(node):
        made = {name: evaluate(part, document) for name, part in node.items()}
        return {name: part for name, part in made.items() if part is not ABSENT}
    [(name, operand)] = node.items()
    if name == "$literal":
        return operand
    arguments = [evaluate(part, document) for part in (operand if isinstance(operand, list) else [operand])]
    if name == "$and":
        return all(map(truth, arguments))
    if name == "$or":
        return any(map(truth, arguments))
    if name == "$not":
        return not truth(arguments[0])
    if name == "$ifNull":
        return ([a for a in arguments if a is not ABSENT and a is not None] or arguments[-1:])[0]
    if name == "$size":
        return len(arguments[0]) if isinstance(arguments[0], list) else None
    if name == "$in":
        return key(arguments[0]) in [key(a) for a in arguments[1]] if isinstance(arguments[1], list) else None
    if name in ("$add", "$subtract", "$multiply", "$divide", "$mod"):
        return arithmetic(name, arguments)
    a, b = map(key, arguments)
    return {
        "$cmp": (a > b) - (a < b), "$eq": a == b, "$ne": a != b,
        "$gt": a > b, "$gte": a >= b, "$lt": a < b, "$lte": a <= b,
    }[name]  # fmt: skip


def arithmetic(name: str, arguments: list[Any]) -> Any:
    if any(key(argument)[0] != 2 for argument in arguments):
        return None
    if name in ("$divide", "$mod") and arguments[1] == 0:
        return None
    if name == "$divide" or any(isinstance(argument, float) for argument in arguments):
        arguments = [to_double(argument) for argument in arguments]
    if name in ("$add", "$multiply", "$subtract"):
        if name == "$subtract":
            arguments = [arguments[0], -arguments[1]]
        total = arguments[0] if arguments else int(name == "$multiply")
        for argument in arguments[1:]:
            if isinstance(total, float):
                argument = to_double(argument)
            total = total * argument if name == "$multiply" else total + argument
            if isinstance(total, int) and len(str(abs(total))) > 1000:
                total = to_double(total)
        return total
    a, b = arguments
    if name == "$divide":
        return a / b
    if isinstance(a, int):
        return a - b * math.trunc(Fraction(a, b))
    return math.fmod(a, b) if math.isfinite(a) else math.nan


def to_double(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf
