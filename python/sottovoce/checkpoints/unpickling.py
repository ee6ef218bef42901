"""Pickles as data: a machine with the opcodes that saved weights need, which calls nothing unknown.

A pickle is a program, and Python's own reader runs it. This one knows numbers, texts, containers
and the names it is given; whatever else a pickle asks for is refused by its name, before anything
is done with it. `pickletools` takes the program apart, and runs none of it.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..errors import LoadError

_MARK: Final = object()
_CONSTANTS: Final = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
}
_LITERALS: Final = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
}
_SILENT: Final = {"PROTO", "FRAME"}  # what they announce is checked by pickletools


def unpickle(
    data: bytes,
    names: Mapping[str, object],
    stored: Callable[[Any], Any],
    where: str,
) -> Any:
    """The object that a pickle describes.

    `names` are the globals it may mention ("collections.OrderedDict"), each with what stands for
    it: a function where the pickle may call it. `stored` answers persistent ids. `where` names the
    file in messages. Raises LoadError for anything else, and for a pickle that is damaged.
    """
    machine = _Machine(names, stored, where)
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "STOP":
                return machine.pop()
            machine.run(opcode.name, argument)
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise LoadError(f"{where}: a damaged pickle: {type(error).__name__}: {error}") from error
    raise LoadError(f"{where}: a damaged pickle: it does not end")


class _Machine:
    """A stack, the marks in it, and the memo."""

    def __init__(
        self,
        names: Mapping[str, object],
        stored: Callable[[Any], Any],
        where: str,
    ) -> None:
        self._names, self._stored, self._where = names, stored, where
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise ValueError("a mark stands where a value should")
        return value

    def run(self, opcode: str, argument: Any) -> None:
        if opcode in _SILENT:
            return
        if opcode in _LITERALS:
            self._stack.append(argument)
        elif opcode in _CONSTANTS:
            self._stack.append(_CONSTANTS[opcode])
        elif step := _STEPS.get(opcode):
            step(self, argument)
        else:
            raise LoadError(f"{self._where}: weights need no pickle opcode {opcode}; not read")

    def _mark(self, _: None) -> None:
        self._stack.append(_MARK)

    def _since_mark(self) -> list[Any]:
        values: list[Any] = []
        while (value := self._stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def _put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _memoize(self, _: None) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _get(self, index: int) -> None:
        self._stack.append(self._memo[index])

    def _global(self, words: str) -> None:
        module, _, name = words.partition(" ")
        self._stack.append(self._named(f"{module}.{name}"))

    def _stack_global(self, _: None) -> None:
        name, module = self.pop(), self.pop()
        self._stack.append(self._named(f"{module}.{name}"))

    def _named(self, name: str) -> Any:
        if name not in self._names:
            raise LoadError(f"{self._where}: weights need no {name}; a pickle with it is not read")
        return self._names[name]

    def _reduce(self, _: None) -> None:
        arguments, function = self.pop(), self.pop()
        if not callable(function):  # what can be called came from `names`
            raise ValueError(f"{_kind(function)} is called")
        self._stack.append(function(*_a(tuple, arguments)))

    def _build(self, _: None) -> None:
        """Attributes of an object, such as the versions that PyTorch hangs on a state dict."""
        self.pop()
        _a(dict, self._stack[-1])

    def _persistent(self, _: None) -> None:
        self._stack.append(self._stored(self.pop()))

    def _new_list(self, _: None) -> None:
        self._stack.append([])

    def _append(self, _: None) -> None:
        value = self.pop()
        _a(list, self._stack[-1]).append(value)

    def _appends(self, _: None) -> None:
        values = self._since_mark()
        _a(list, self._stack[-1]).extend(values)

    def _new_dict(self, _: None) -> None:
        self._stack.append({})

    def _set_item(self, _: None) -> None:
        value, key = self.pop(), self.pop()
        _a(dict, self._stack[-1])[_key(key)] = value

    def _set_items(self, _: None) -> None:
        values = self._since_mark()
        pairs = zip(map(_key, values[::2]), values[1::2], strict=True)
        _a(dict, self._stack[-1]).update(pairs)

    def _new_tuple(self, _: None) -> None:
        self._stack.append(())

    def _tuple(self, _: None) -> None:
        self._stack.append(tuple(self._since_mark()))

    def _tuple_of(self, n: int) -> None:
        values = [self.pop() for _ in range(n)]
        self._stack.append(tuple(values[::-1]))


def _a(kind: type[Any], value: Any) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{_kind(value)} stands where a {kind.__name__} should")
    return value


def _key(value: Any) -> str | int:
    # Nothing else: the hash of a deep tuple is a deep recursion.
    if not isinstance(value, str | int):
        raise ValueError(f"the key of a dict is {_kind(value)}")
    return value


def _kind(value: Any) -> str:
    return f"a {type(value).__name__}"


_STEPS: Final[dict[str, Callable[[_Machine, Any], None]]] = {
    "MARK": _Machine._mark,
    "BINPUT": _Machine._put,
    "LONG_BINPUT": _Machine._put,
    "MEMOIZE": _Machine._memoize,
    "BINGET": _Machine._get,
    "LONG_BINGET": _Machine._get,
    "GLOBAL": _Machine._global,
    "STACK_GLOBAL": _Machine._stack_global,
    "REDUCE": _Machine._reduce,
    "BUILD": _Machine._build,
    "BINPERSID": _Machine._persistent,
    "EMPTY_LIST": _Machine._new_list,
    "APPEND": _Machine._append,
    "APPENDS": _Machine._appends,
    "EMPTY_DICT": _Machine._new_dict,
    "SETITEM": _Machine._set_item,
    "SETITEMS": _Machine._set_items,
    "EMPTY_TUPLE": _Machine._new_tuple,
    "TUPLE": _Machine._tuple,
    "TUPLE1": lambda machine, _: machine._tuple_of(1),
    "TUPLE2": lambda machine, _: machine._tuple_of(2),
    "TUPLE3": lambda machine, _: machine._tuple_of(3),
}
