"""What messages and notes claim about names of the public API: sentences joined to the names that the walks know.

A claim is kept only if its subject is a public name of the old release (or a parameter of one); what it says to use instead is looked up in the
new release and kept as written where it is not found there.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from keyword import iskeyword
from typing import Literal

from recode.collect.texts.deprecations import Notice
from recode.collect.texts.notes import Item
from recode.collect.texts.wording import (
    Verb,
    deprecated_since,
    names_in,
    plain,
    removed_in,
    replacements_in,
    sentences,
    subject_part,
    verb_of,
)
from recode.collect.walk.differences import Difference
from recode.collect.walk.public_api import Api
from recode.records import Evidence

_TOKEN = re.compile(r"([A-Za-z_][\w.]*)(?:\((.*)\))?", re.DOTALL)
_HEAD = re.compile(r"-?([A-Za-z_]\w*\.[\w.]*\w)")
_VALUE = re.compile(r"(\w+)\s*=.*", re.DOTALL)
_PARAMETER_NOUN = r"(?:keyword[- ]?)?(?:arguments?|args?|parameters?|params?|keywords?|kwargs?|options?|flags?)"
_PARAMETER_SAID = re.compile(rf"\b{_PARAMETER_NOUN}\b", re.I)
_HOOKS = frozenset({"__init__", "__new__", "__call__", "__post_init__", "wrapper", "inner", "decorator"})


@dataclass(frozen=True)
class Claim:
    """What one message or note says of a name (`path`), or of some of its parameters.

    `new_path` and `new_parameters` are what to use instead; `resolved` says whether the new release has it. `present`
    says whether a message stands in the new release's own sources, `older` whether it stood in the old release's too.
    `tight` is False where a sentence mentions the name without being plainly about it.
    """

    verb: Verb
    path: str
    parameters: tuple[str, ...]
    evidence: Evidence
    new_path: str = ""
    new_parameters: tuple[str, ...] = ()
    resolved: bool = False
    deprecated_in: str = ""
    removed_in: str = ""
    present: bool = False
    older: bool = False
    tight: bool = True
    source: Literal["message", "note", "probe"] = "message"


class Library:
    """The two walks of a library, and how names in its texts are looked up in them."""

    def __init__(self, old: Api, new: Api) -> None:
        self.old, self.new = old, new

    def find(self, api: Api, token: str, near: Sequence[str] = (), *, by_owner: bool = True) -> str:
        """Return the public path that a name in a text means, or an empty text.

        Args:
            api: the release.
            token: the name as written: `np.trapz`, `DataFrame.append()`, `trapz`.
            near: paths that the text is about; a bare name is looked for beside and below them first.
            by_owner: tell a member by the class that defines it, whichever class the text names.
        """
        match = _TOKEN.fullmatch(token.strip().strip("@."))
        if match is None:
            return ""
        dotted = match.group(1).strip(".")
        _, _, rest = dotted.partition(".")
        # `np.trapz` for `numpy.trapz`: programs import packages under names of their own.
        spellings = [dotted, f"{api.package}.{dotted}", *([f"{api.package}.{rest}"] if rest else [])]
        beside = [f"{path.rsplit('.', up)[0]}.{dotted}" for path in near for up in range(path.count(".") + 1)]
        for path in [*beside, *spellings] if near else spellings:
            if api.find(path) is not None or path in api.modules:
                return self.familiar(api, canonical(api, path, by_owner=by_owner))
        return self._by_suffix(api, dotted) or (self._by_suffix(api, rest) if "." in rest else "")

    def familiar(self, api: Api, path: str) -> str:
        """Return a path of the new release as the old one has it, where it leads to the same thing."""
        name = api.by_path.get(path)
        if name is None:
            owner, _, leaf = path.rpartition(".")
            return f"{self.familiar(api, owner)}.{leaf}" if owner in api.by_path else path
        return path if path in self.old.by_path else next((one for one in name.paths if one in self.old.by_path), path)

    def _by_suffix(self, api: Api, dotted: str) -> str:
        """Return the path that ends so, if it is the only one or much the shortest; members are found by their class only."""
        ends = [path for path in api.by_leaf.get(dotted.rpartition(".")[2], ()) if path.endswith(f".{dotted}")]
        if "." not in dotted:
            ends = [path for path in ends if path in api.by_path]
        found = {canonical(api, path) for path in ends}
        if len(found) <= 1:
            return next(iter(found), "")
        depths = sorted((path.count("."), path) for path in found)
        return depths[0][1] if depths[0][0] < depths[1][0] and ("." in dotted or dotted[:1].isupper()) else ""

    def callable_with(self, tokens: Sequence[str], parameter: str, near: Sequence[str] = ()) -> str:
        """Return the first of the names that is a public callable with this parameter in either release."""
        for token in tokens:
            path = self.find(self.old, token, near) or self.find(self.new, token, near)
            if path and parameter in (*parameters_of(self.old, path), *parameters_of(self.new, path)):
                return path
        return ""


def canonical(api: Api, path: str, *, by_owner: bool = True) -> str:
    """Return the best path of what a path leads to; a member goes by the class that defines it, if that is public."""
    if path in api.by_path:
        return api.by_path[path].path
    owner, _, leaf = path.rpartition(".")
    holder = api.by_path.get(owner)
    if holder is None or leaf not in holder.members:
        return path
    defining = api.by_qualname.get(holder.members[leaf].owner) if by_owner else None
    return f"{(defining or holder).path}.{leaf}"


def parameters_of(api: Api, path: str) -> tuple[str, ...]:
    """Return the names of a callable's parameters, its constructor's for a class."""
    found = api.find(path)
    return tuple(one.name for one in (found.parameters if found else None) or () if not one.is_variadic)


# --- messages ---


def message_claims(notice: Notice, version: str, library: Library, *, present: bool) -> Iterator[Claim]:
    """Yield what a message in the sources of a release claims."""
    text = plain(notice.text)
    source: Literal["docstring", "deprecation message"] = (
        "docstring" if notice.how == "docstring" else "deprecation message"
    )
    evidence = Evidence(source=source, package_version=version, file=notice.file, line=notice.line, quote=notice.text)
    verb = verb_of(text) or "deprecated"
    if notice.how != "error" and verb in ("removed", "moved"):
        # As long as it only warns, nothing is gone.
        verb = "deprecated"
    since, until = deprecated_since(text), removed_in(text)
    for path, parameters, instead in _subjects(notice, text, library):
        new_path, new_parameters, resolved = _replacement(instead, path, parameters, library)
        if (new_path, new_parameters) == (path, parameters):
            new_path, new_parameters = "", ()
        yield Claim(
            "keyword_only" if notice.effect == "keyword_only" else verb, path, parameters, evidence, new_path,
            new_parameters, resolved, since, until, present,
        )  # fmt: skip


def _subjects(notice: Notice, text: str, library: Library) -> Iterator[tuple[str, tuple[str, ...], Sequence[str]]]:
    """Yield (path, parameters, names of what to use instead) of what a message is about."""
    owner = _owner(notice, library)
    instead = [*notice.replacements, *replacements_in(text)]
    if notice.how == "map":
        module = _module(notice.file)
        path = library.find(library.old, notice.names[0], [f"{module}.x", *([owner] if owner else [])])
        if path and path.rpartition(".")[2] == notice.names[0]:
            yield path, (), instead
        return
    if owner and notice.effect and notice.names:
        for index, name in enumerate(notice.names):
            yield owner, (name,), notice.replacements[index : index + 1] or instead
        return
    if owner and notice.effect == "keyword_only":
        yield owner, (), ()
        return
    if not owner and notice.names and not notice.effect:
        for name in notice.names:
            if path := library.find(library.old, name, [f"{_module(notice.file)}.x"]):
                yield path, (), instead
        return
    named = [name for name in names_in(subject_part(text)) if name]
    if owner and (parameters := _parameters_meant(notice, text, named, owner)):
        yield owner, parameters, instead
        return
    if owner and (_is_of(owner, named) or not named or notice.how in ("decorator", "docstring")):
        # Some use of it is deprecated where a message does not name it and speaks under a condition.
        if _is_of(owner, named) or (notice.how != "error" and not notice.guarded):
            yield owner, (), instead
        return
    near = [owner or f"{_module(notice.file)}.x"]
    # Within a public function, a bare word is more likely one of its values than another name of the library.
    for name in [one for one in named[:3] if not owner or "." in one or one.endswith(")")]:
        path = library.find(library.old, name, near)
        if path and path not in library.old.modules:
            yield path, (), [one for one in instead if one != name]
            return


def _owner(notice: Notice, library: Library) -> str:
    """Return the public path of the function or class that a message stands in; empty for private ones."""
    parts = notice.owner.split(".") if notice.owner else []
    while parts and parts[-1] in _HOOKS:
        parts.pop()
    if not parts:
        return ""
    qualname = ".".join(parts)
    for api in (library.old, library.new):
        if path := api.by_place.get((notice.file, qualname)):
            return library.familiar(api, canonical(api, path))
    for api in (library.old, library.new):
        path = library.find(api, f"{_module(notice.file)}.{qualname}")
        if path:
            return path
    # The file may have been renamed between the releases: the name has to be the only one.
    candidates = {path for (_, name), path in library.old.by_place.items() if name == qualname}
    return canonical(library.old, candidates.pop()) if len(candidates) == 1 else ""


def _module(file: str) -> str:
    parts = file.removesuffix(".py").removesuffix("/__init__").split("/")
    return ".".join(part for part in parts if not part.startswith("_"))


def _is_of(owner: str, named: Sequence[str]) -> bool:
    """Say whether a message names the function or class that it stands in (or is put together from its name)."""
    leaf = owner.rpartition(".")[2]
    return any(leaf == (name.rstrip("()").rpartition(".")[2]) or "{" in name for name in named)


def _parameters_meant(notice: Notice, text: str, named: Sequence[str], owner: str) -> tuple[str, ...]:
    """Return the owner's parameters that a message is about, if it is about parameters."""
    bare = [match.group(1) if (match := _VALUE.fullmatch(name)) else name for name in named]
    mentioned = tuple(dict.fromkeys(name for name in bare if name in notice.parameters))
    if notice.how == "docstring":
        return tuple(name for name in notice.tested if name in notice.parameters)
    if mentioned and (notice.tested or _PARAMETER_SAID.search(text)):
        asked = tuple(name for name in mentioned if name in notice.tested)
        return (asked or mentioned)[:2]
    quoted = [name for name in bare if name.isidentifier()]
    if _PARAMETER_SAID.search(text) and quoted and not _is_of(owner, named) and len(notice.parameters) <= 1:
        # A function of `**kwargs` only: what it looks for in there.
        return tuple(quoted[:1])
    return ()


def _replacement(
    instead: Sequence[str], path: str, parameters: tuple[str, ...], library: Library
) -> tuple[str, tuple[str, ...], bool]:
    """Look up what to use instead: a parameter of the same callable, a public name, or else the first name as written."""
    after = parameters_of(library.new, path)
    for name in instead:
        if match := _TOKEN.fullmatch(name):
            word = (value.group(1) if (value := _VALUE.fullmatch(name)) else match.group(1)) if parameters else ""
            if word and word in after and word not in parameters:
                return path, (word,), True
    for name in instead:
        if (value := _VALUE.fullmatch(name)) and value.group(1) in after:
            return path, (value.group(1),), True
        # Of an expression such as `-np.inf` or `np.dtype(obj).type`, what it begins with.
        head = _HEAD.match(name)
        written = head.group(1) if head and not _TOKEN.fullmatch(name) else name
        found = library.find(library.new, written, [path], by_owner=False)
        if found and found != path:
            return found, (), True
    owner = path.rpartition(".")[0]
    for name in instead:
        # An instance's attribute: `img.affine` for `Image.get_affine`.
        holder, _, leaf = name.rpartition(".")
        if holder.isidentifier() and not parameters and (found := library.find(library.new, f"{owner}.{leaf}")):
            return found, (), True
    for name in instead:
        match = _TOKEN.fullmatch(name)
        if match and ("." in match.group(1) or match.group(2) is not None) and not parameters:
            return match.group(1), (), False
        if match and not parameters and callable(getattr(builtins, name, None)):
            return name, (), False
        if match and not parameters and callable(getattr(builtins, name, None)):
            return name, (), False
    return "", (), False


# --- notes ---


def note_claims(item: Item, version: str, library: Library) -> Iterator[Claim]:
    """Yield what an item of the release notes claims. `version` is the release whose source distribution holds the notes."""
    text = plain(item.text)
    headings = " / ".join(plain(one) for one in item.headings)
    evidence = _noted(item, version)
    said = list(sentences(text))
    for index, sentence in enumerate(said):
        verb = verb_of(sentence, headings)
        if verb is None:
            continue
        following = said[index + 1] if index + 1 < len(said) else ""
        instead = replacements_in(sentence) or (replacements_in(following) if verb_of(following) is None else [])
        near = [
            path
            for one in reversed(item.headings)
            for name in names_in(plain(one))
            if (path := library.find(library.old, name))
        ]
        subjects = list(_note_subjects(sentence, text, verb, near, library))
        for number, (path, parameters) in enumerate(subjects):
            mine = instead
            if len(subjects) > 1:
                mine = (
                    instead[number : number + 1]
                    if len(instead) == len(subjects)
                    else instead[:1]
                    if len(instead) == 1
                    else []
                )
            new_path, new_parameters, resolved = _replacement(mine, path, parameters, library)
            yield Claim(
                verb, path, parameters, evidence, new_path, new_parameters, resolved,
                item.version if verb == "deprecated" else deprecated_since(sentence),
                item.version if verb in ("removed", "moved", "renamed") else removed_in(sentence), source="note",
                tight=_is_about(sentence, path, parameters, verb),
            )  # fmt: skip


def _note_subjects(
    sentence: str, text: str, verb: Verb, near: Sequence[str], library: Library
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield (path, parameters) of what a sentence of the notes is about."""
    part = subject_part(sentence)
    named = names_in(part)
    everywhere = [*names_in(sentence), *names_in(text)]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    parametric = [name for name in named if _is_parameter(name, sentence)]
    for name in parametric or named:
        if found := _attribute_as_parameter(name, library):
            pass
        elif name in parametric or (verb == "default_changed" and name.isidentifier() and not iskeyword(name)):
            word = match.group(1) if (match := _VALUE.fullmatch(name)) else name
            path = library.callable_with([one for one in everywhere if one != name], word, near)
            path = path or next((one for one in near if word in parameters_of(library.old, one)), "")
            path = path or _open_callable(sentence, library)
            found = (path, (word,)) if path else None
        else:
            path = library.find(library.old, name, near)
            found = (path, ()) if path and not _is_context(name, sentence) else None
        if found and found not in seen:
            seen.add(found)
            yield found


_LIST = r"(?:(?:,| and| or|, and|, or|/| &)? ?`[^`]+`(?: \([^()]*\))?)*"
_NOUNS = (
    r"(?: (?:and|or|the|its|alias(?:es)?|functions?|methods?|class(?:es)?|modules?|attributes?|properties|property|objects?"
    r"|arguments?|args?|keywords?|parameters?|kwargs?|options?|constructors?|decorators?|submodules?|packages?|types?"
    r"|constants?|names?|helpers?|also|both))*"
)
_STATES = r"(?:(?:is|are|was|were|has|have|had|been|be|now|also|all|both|always|officially|finally|already|since|in|version|v?[\d.]+|,)\s+)*"
_ACTS = {
    "removed": r"(?:remov\w+|dropped|deleted|expired|no longer \w+|gone)",
    "deprecated": r"(?:deprecat\w+|pending deprecation)",
    "renamed": r"(?:renam\w+)",
    "moved": r"(?:moved|relocated)",
    "return_changed": r"(?:now (?:always )?(?:returns?|yields?|gives?|produces?)|returns?)",
    "default_changed": r"(?:now defaults?|changed|default\w*)",
    "keyword_only": r"(?:keyword|positional)\w*",
}


def _is_about(sentence: str, path: str, parameters: Sequence[str], verb: Verb) -> bool:
    """Say whether a sentence's verb is plainly about a name: "`x` was removed", "Removed the `x` and `y` functions", or `x` alone."""
    leaf = re.escape((parameters or [path.rpartition(".")[2]])[0])
    name = rf"`[^`]*\b{leaf}(?:\(\)|\([^`]*\)|=[^`]*)?`"
    act = _ACTS[verb]
    after = rf"{name}{_LIST}{_NOUNS},? {_STATES}{act}"
    if verb in ("default_changed", "keyword_only"):
        return re.search(rf"{act}", sentence, re.I) is not None
    if verb != "return_changed" and re.match(rf"^\W*{act}\b", sentence, re.I):
        # "Deprecated the following methods of `C`: `a`, `b`": what stands after a preposition is only where.
        return not _is_context(next((one for one in names_in(sentence) if re.search(name, f"`{one}`")), ""), sentence)
    if verb in ("removed", "deprecated") and re.match(rf"^\W*{_NOUNS} ?{name}", sentence) and verb_of(sentence) is None:
        return True
    match = re.search(after, sentence, re.I)
    if match is None:
        return False
    lead = sentence[: match.start()]
    return re.search(
        r"\b(?:of|in|to|with|when|using|passing|setting|calling|converting|accessing|for|from|by|if)\s*(?:the\s*)?$",
        lead,
        re.I,
    ) is None or bool(parameters)


def mentions(found: Sequence[Difference], recent: Sequence[Item], library: Library) -> Iterator[Claim]:
    """Yield the items of the notes that name what the walks found changed, whatever their sentences are like.

    A member has to be named with its class, a parameter with its callable.
    """
    words: dict[str, list[int]] = {}
    texts = [plain(" / ".join([*item.headings, item.text])) for item in recent]
    for index, text in enumerate(texts):
        for word in {word for name in names_in(text) for word in re.findall(r"\w+", name)}:
            words.setdefault(word, []).append(index)
    for difference in found:
        leaves = difference.parameters or (
            (difference.new_parameters or ()) if difference.kind == "parameter_added" else ()
        )
        owner, _, leaf = difference.path.rpartition(".")
        wanted = (
            {leaf, *leaves[:1]}
            if leaves
            else {leaf, *([owner.rpartition(".")[2]] if _needs_owner(difference.path, library) else [])}
        )
        shared = set.intersection(*(set(words.get(word, ())) for word in wanted))
        for index in sorted(shared)[:2]:
            item = recent[index]
            verb = verb_of(plain(item.text), " / ".join(plain(one) for one in item.headings))
            if verb is None or (not leaves and verb in ("default_changed", "return_changed", "keyword_only")):
                continue
            evidence = _noted(item, library.new.version)
            dates = (item.version, "") if verb == "deprecated" else ("", item.version)
            yield Claim(verb, difference.path, leaves, evidence, "", (), False, *dates, source="note", tight=False)


def _needs_owner(path: str, library: Library) -> bool:
    """Say whether a name is told apart by what it belongs to: a member by its class, a module by the module around it."""
    owner = path.rpartition(".")[0]
    return owner in library.old.by_path or (path in library.old.modules and owner in library.old.modules)


def _noted(item: Item, version: str) -> Evidence:
    return Evidence(
        source="release notes", package_version=version, file=item.file, line=item.line, quote=item.text[:600]
    )


def _attribute_as_parameter(name: str, library: Library) -> tuple[str, tuple[str, ...]] | None:
    """Return (class, parameter) where notes write `Class.option` of an option that the class takes but does not show."""
    owner, _, leaf = name.rpartition(".")
    path = library.find(library.old, owner) if owner and not library.find(library.old, name) else ""
    return (path, (leaf,)) if leaf in parameters_of(library.old, path) else None


def _open_callable(sentence: str, library: Library) -> str:
    """Return the callable that a sentence says a parameter belongs to ("to `f`", "of `f`"), if it takes parameters of any name."""
    for name in re.findall(r"\b(?:to|of|for|in|from|on) (?:the )?`([^`]+)`", sentence):
        path = library.find(library.old, name)
        found = library.old.find(path) if path else None
        if found is not None and any(one.kind == 4 for one in found.parameters or ()):
            return path
    return ""


def _is_parameter(name: str, sentence: str) -> bool:
    """Say whether a sentence speaks of a name as of a parameter: "the `x` argument", "parameters `x` and `y`", "`x=`"."""
    if _VALUE.fullmatch(name):
        return True
    if not name.isidentifier():
        return False
    mark = rf"[`'\"]{re.escape(name)}[`'\"]"
    more = r"(?:,? (?:and|or) [`'\"]\w+[`'\"]|, [`'\"]\w+[`'\"])*"
    before = rf"{_PARAMETER_NOUN}:? (?:[`'\"]\w+[`'\"](?:,| and| or|, and|, or) )*{mark}"
    return re.search(rf"{mark}{more} (?:\w+ )?{_PARAMETER_NOUN}\b|{before}", sentence, re.I) is not None


def _is_context(name: str, sentence: str) -> bool:
    """Say whether a name is only where something happened: "removed from `f`", "in `f`", "of `f`"."""
    return re.search(
        rf"\b(?:from|in|of|by|to|for|with|like|as|than|see)\s+(?:the\s+)?`{re.escape(name)}`", sentence, re.I
    ) is not None and (
        re.search(
            rf"(?:deprecat\w+|remov\w+|renam\w+|moved)\s+(?:the\s+)?(?:\w+\s+)?`{re.escape(name)}`", sentence, re.I
        )
        is None
    )


def probe_claim(path: str, outcome: str, message: str, library: Library) -> Claim | None:
    """Return what the new release's interpreter says to a program that uses a path of the old one."""
    text = plain(message)
    if outcome != "warns" and not (replacements_in(text) or re.search(r"remov|deprecat|renam|moved", text)):
        return None
    file = library.new.modules.get(path.rpartition(".")[0]) or library.new.modules[library.new.package]
    evidence = Evidence(
        source="deprecation message", package_version=library.new.version, file=file, line=1, quote=message
    )
    new_path, new_parameters, resolved = _replacement(replacements_in(text), path, (), library)
    verb: Verb = "deprecated" if outcome == "warns" else "removed"
    return Claim(
        verb, path, (), evidence, new_path, new_parameters, resolved, deprecated_since(text),
        removed_in(text) if outcome == "raises" else "", present=outcome == "warns", source="probe",
    )  # fmt: skip


def is_mute(message: str) -> bool:
    """Say whether a message is the interpreter's own, which says nothing but that a name is gone."""
    return re.fullmatch(r"\S.* has no attribute '\w+'(?:\. Did you mean.*)?|No module named .*", message) is not None
