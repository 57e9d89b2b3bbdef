"""Writes `api.md`, the API reference, from the docstrings of every public name: `python docs/reference.py`."""

import enum
import importlib
import inspect
import pathlib
import pkgutil
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "src"))
#: Imported by what they set up, so they cannot be looked at.
SETTINGS = ("metlog.compat.statsd.defaults.django",)

HEAD = """# API reference

Written by `docs/reference.py` from the docstrings; a test compares the two. What is not named here, and every name
that begins with `_`, is not part of the API. All calls that send do what `schemas/clients.md` of the repository says of
all clients of metlog: none waits for a network, and none raises but for a configuration that cannot be.

"""


def modules():
    """The public modules, those that people begin with first."""
    found = ["metlog"]
    import metlog
    import openstack_opentracing

    for package in (metlog, openstack_opentracing):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not any(part.startswith("_") for part in module.name.split(".")[1:]) and module.name not in SETTINGS:
                found.append(module.name)
    found.append("openstack_opentracing")
    return sorted(
        set(found), key=lambda name: (name != "metlog", ".compat" in name, not name.startswith("metlog"), name)
    )


def public(owner):
    """Names and objects of a module that are its own."""
    names = getattr(owner, "__all__", None)
    if names is None:
        names = [
            name
            for name, value in vars(owner).items()
            if not name.startswith("_") and getattr(value, "__module__", None) == owner.__name__ and callable(value)
        ]
    for name in sorted(names, key=str.lower):
        yield name, getattr(owner, name)


def methods(kind):
    """Public methods and properties that a class defines, or one of ours that it is made of."""
    found = {}
    for one in reversed(kind.__mro__):
        if one.__module__.split(".")[0] in ("metlog", "openstack_opentracing"):
            found.update(
                {
                    name: value
                    for name, value in vars(one).items()
                    if not name.startswith("_")
                    and (inspect.isfunction(value) or isinstance(value, (property, staticmethod, classmethod)))
                }
            )
    return sorted(found.items())


def annotation(text):
    text = getattr(text, "__forward_arg__", text)
    text = text if isinstance(text, str) else getattr(text, "__name__", str(text))
    return text.strip("\"'")


def signature(name, value, is_method=False):
    try:
        given = inspect.signature(value)
    except (TypeError, ValueError):
        return name
    parts = []
    star = False
    for parameter in list(given.parameters.values())[1 if is_method else 0 :]:
        text = parameter.name
        if parameter.kind is parameter.VAR_POSITIONAL:
            text, star = "*" + text, True
        elif parameter.kind is parameter.VAR_KEYWORD:
            text = "**" + text
        elif parameter.kind is parameter.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        if parameter.annotation is not parameter.empty:
            text += ": " + annotation(parameter.annotation)
        if parameter.default is not parameter.empty:
            default = parameter.default
            shown = repr(default) if isinstance(default, (str, int, float, bytes, tuple, type(None))) else "…"
            text += (" = " if parameter.annotation is not parameter.empty else "=") + shown
        parts.append(text)
    result = "" if given.return_annotation is given.empty else " -> " + annotation(given.return_annotation)
    return f"{name}({', '.join(parts)}){result}"


def paragraphs(value):
    text = fenced(inspect.getdoc(value) or "").replace("::\n", ":\n")
    return re.sub(":(class|data|func|meth|mod):", "", text.replace("``", "`"))


def fenced(text):
    """Sessions of the interpreter as blocks of code."""
    blocks = text.split("\n\n")
    return "\n\n".join(f"```pycon\n{block}\n```" if block.startswith(">>>") else block for block in blocks)


def described(name, value):
    if inspect.isclass(value) and issubclass(value, enum.Enum):
        yield f"### `{name}`\n\n{own_doc(value)}\n"
        yield ", ".join(f"`{name}.{member.name}`" for member in value) + "\n"
    elif inspect.isclass(value) and isinstance(getattr(value, "_fields", None), tuple):
        fields = ", ".join(f"`{field}`" for field in value._fields)
        yield f"### `{name}`\n\n{own_doc(value)} Its fields: {fields}.\n"
        for method, inner in methods(value):
            yield f"- `{method}`: {indented(paragraphs(inner))}"
        yield ""
    elif inspect.isclass(value):
        line = f"### class `{signature(name, value)}`" if not issubclass(value, BaseException) else f"### `{name}`"
        yield f"{line}\n\n{own_doc(value)}\n"
        for method, inner in methods(value):
            if isinstance(inner, property):
                yield f"- `{method}`: {indented(paragraphs(inner))}"
            else:
                function = inner.__func__ if isinstance(inner, (staticmethod, classmethod)) else inner
                is_method = not isinstance(inner, staticmethod)
                yield f"- `{signature(method, function, is_method)}`: {indented(paragraphs(function))}"
        yield ""
    elif inspect.isfunction(value) or inspect.ismethod(value):
        yield f"### `{signature(name, value)}`\n\n{paragraphs(value)}\n"
    else:
        # A client, or a constant: a value has no docstring of its own.
        text = (
            repr(value) if isinstance(value, (str, int, float, tuple)) else f"an instance of `{type(value).__name__}`"
        )
        yield f"### `{name}`\n\n{text}\n"


def own_doc(kind):
    return paragraphs(kind) if kind.__doc__ else ""


def indented(text):
    return text.replace("\n", "\n  ")


def reference():
    """The whole page."""
    out, named = [HEAD], modules()
    for module_name in named:
        module = importlib.import_module(module_name)
        out.append(f"## `{module_name}`\n\n{paragraphs(module)}\n")
        for name, value in public(module):
            home = getattr(value, "__module__", None)
            if inspect.isclass(value) and home != module_name and home in named:
                out.append(f"### `{name}`\n\nSee `{home}`.\n")
            else:
                out.extend(described(name, value))
    return "\n".join(out).rstrip("\n") + "\n"


if __name__ == "__main__":
    (HERE / "api.md").write_text(reference(), encoding="utf-8")
