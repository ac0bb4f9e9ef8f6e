"""What a script's text mentions, which decides what has to be understood for it."""

import ast
from dataclasses import dataclass, field
from typing import Self


@dataclass
class Spelling:
    """The words of a script.

    Parameters
    ----------
    names
        Of variables, attributes, imports and named arguments, and texts that may name one.
    attributes
        Those of them that may be looked for in something else: all but variables and arguments.
    texts
        Its text constants, parts of formatted texts included.
    positions
        By the last name of what is called, the most arguments that it is given without a name.
    numbered
        Whether something is taken by a subscript that may be a whole number.
    keys
        Texts that something is taken by.
    numbered_store
        Whether something is set by one.
    """

    names: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    positions: dict[str, int] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    numbered: bool = False
    numbered_store: bool = False

    @classmethod
    def of(cls, source: str) -> Self | None:
        """Read a script; None if it does not compile, which its compilation tells."""
        try:
            tree = ast.parse(source.strip())
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        found = cls()
        for node in ast.walk(tree):
            found._take(node)
        found.names |= found.attributes
        return found

    def _take(self, node: ast.AST) -> None:
        match node:
            case ast.Name(id=name) | ast.keyword(arg=str(name)):
                self.names.add(name)
            case ast.Attribute(attr=name):
                self.attributes.add(name)
            case ast.alias(name=name):
                self.attributes.update(name.split("."))
            case ast.Constant(value=str(text)):
                self.texts.add(text)
                self.attributes.add(text)
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=given):
                many = 99 if any(isinstance(argument, ast.Starred) for argument in given) else len(given)
                self.positions[name] = max(many, self.positions.get(name, 0))
            case ast.Subscript(slice=ast.Constant(value=str(text))):
                self.keys.add(text)
            case ast.Subscript(slice=ast.Constant(value=int()) | ast.UnaryOp() | ast.BinOp() | ast.Name()):
                self.numbered = True
                self.numbered_store |= not isinstance(node.ctx, ast.Load)
