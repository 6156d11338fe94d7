"""Looking up the names that a library's texts mention among the public names of its two releases."""

from __future__ import annotations

import re
from collections.abc import Sequence

from recode.collect.walk.public_api import Api

TOKEN = re.compile(r"([A-Za-z_][\w.]*)(?:\((.*)\))?", re.DOTALL)
"""A dotted name, with or without the arguments of a call."""


class NameLookup:
    """The public names of the old and the new release, and how a text's names are resolved in them."""

    def __init__(self, old: Api, new: Api) -> None:
        self.old, self.new = old, new

    def find(self, api: Api, token: str, near: Sequence[str] = (), *, by_owner: bool = True) -> str:
        """Return the public path that a name in a text means, or an empty text.

        Args:
            api: the release to search.
            token: the name as written: `np.trapz`, `DataFrame.append()`, `trapz`.
            near: paths that the text is about; a bare name is first looked for next to and below them.
            by_owner: return a member under the class that defines it, even if the text names another class.
        """
        match = TOKEN.fullmatch(token.strip().strip("@."))
        if match is None:
            return ""
        dotted = match.group(1).strip(".")
        _, _, rest = dotted.partition(".")
        # `np.trapz` means `numpy.trapz`: programs import packages under names of their own.
        spellings = [dotted, f"{api.package}.{dotted}", *([f"{api.package}.{rest}"] if rest else [])]
        beside = [f"{path.rsplit('.', up)[0]}.{dotted}" for path in near for up in range(path.count(".") + 1)]
        for path in [*beside, *spellings] if near else spellings:
            if api.find(path) is not None or path in api.modules:
                return self.old_path(api, canonical(api, path, by_owner=by_owner))
        return self._by_suffix(api, dotted) or (self._by_suffix(api, rest) if "." in rest else "")

    def old_path(self, api: Api, path: str) -> str:
        """Return the path that the old release has for the same object; the path itself where it has none."""
        name = api.by_path.get(path)
        if name is None:
            owner, _, leaf = path.rpartition(".")
            return f"{self.old_path(api, owner)}.{leaf}" if owner in api.by_path else path
        return path if path in self.old.by_path else next((one for one in name.paths if one in self.old.by_path), path)

    def _by_suffix(self, api: Api, dotted: str) -> str:
        """Return the path with this ending if it is the only one, or clearly the shortest; members need their class."""
        ends = [path for path in api.by_leaf.get(dotted.rpartition(".")[2], ()) if path.endswith(f".{dotted}")]
        if "." not in dotted:
            ends = [path for path in ends if path in api.by_path]
        candidates = {canonical(api, path) for path in ends}
        if len(candidates) <= 1:
            return next(iter(candidates), "")
        depths = sorted((path.count("."), path) for path in candidates)
        return depths[0][1] if depths[0][0] < depths[1][0] and ("." in dotted or dotted[:1].isupper()) else ""

    def callable_with(self, tokens: Sequence[str], parameter: str, near: Sequence[str] = ()) -> str:
        """Return the first of the names that is a public callable with this parameter in either release."""
        for token in tokens:
            path = self.find(self.old, token, near) or self.find(self.new, token, near)
            if path and parameter in (*parameters_of(self.old, path), *parameters_of(self.new, path)):
                return path
        return ""


def canonical(api: Api, path: str, *, by_owner: bool = True) -> str:
    """Return the best path of an object; a member is named under the class that defines it, if that class is public."""
    if path in api.by_path:
        return api.by_path[path].path
    owner, _, leaf = path.rpartition(".")
    holder = api.by_path.get(owner)
    if holder is None or leaf not in holder.members:
        return path
    defining = api.by_qualname.get(holder.members[leaf].owner) if by_owner else None
    return f"{(defining or holder).path}.{leaf}"


def parameters_of(api: Api, path: str) -> tuple[str, ...]:
    """Return the names of a callable's parameters without variadic ones; of a class, its constructor's."""
    found = api.find(path)
    return tuple(one.name for one in (found.parameters if found else None) or () if not one.is_variadic)
