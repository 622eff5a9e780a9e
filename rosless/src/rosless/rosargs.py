# SPDX-License-Identifier: Apache-2.0
"""Command lines with `--ros-args`, parameter files, and the names of nodes and topics."""

import re
import sys
from dataclasses import dataclass, field

import yaml

_SEVERITIES = ("UNSET", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_REMAP = re.compile(r"(?:(?P<node>[A-Za-z_]\w*):)?(?P<source>[^:=]+):=(?P<target>.+)")
_PARAMETER = re.compile(r"(?:(?P<node>[^:=]+):)?(?P<name>[^:=]+):=(?P<value>.*)", re.S)


@dataclass
class RosArgs:
    """What a command line says: `rest` is everything that is not for ROS."""

    remaps: list = field(default_factory=list)  # (node name or None, source, target)
    parameters: list = field(default_factory=list)  # (node pattern, name, value)
    log_levels: list = field(default_factory=list)  # (logger name or "", severity name)
    rest: list = field(default_factory=list)


def parse(arguments=None) -> RosArgs:
    """Read a command line (default: sys.argv); errors as rclpy raises them."""
    result = RosArgs()
    words = iter(sys.argv if arguments is None else list(arguments))
    for word in words:
        if word != "--ros-args":
            result.rest.append(word)
            continue
        for word in words:
            if word == "--":
                break
            if word == "--ros-args":
                continue
            _option(result, word, words)
    return result


def _option(result, word, words):
    from rclpy._rclpy_pybind11 import RCLInvalidROSArgsError, UnknownROSArgsError

    handlers = {"--params-file": _parameter_file, "--log-level": _log_level}
    handlers.update({"-r": _remap, "--remap": _remap, "-p": _parameter, "--param": _parameter})
    if word not in handlers:
        text = f"Found unknown ROS arguments: [{word!r}] (for those of ROS 2, see rosless' README)"
        raise UnknownROSArgsError(text)
    value = next(words, None)
    if value is None:
        raise RCLInvalidROSArgsError(f"the ROS argument {word} needs a value")
    try:
        handlers[word](result, value)
    except (ValueError, OSError, yaml.YAMLError) as error:
        raise RCLInvalidROSArgsError(f"cannot use {word} {value}: {error}") from error


def _remap(result, text):
    match = _REMAP.fullmatch(text)
    if match is None:
        raise ValueError("a remap rule is [node:]from:=to")
    result.remaps.append((match["node"], match["source"], match["target"]))


def _parameter(result, text):
    match = _PARAMETER.fullmatch(text)
    if match is None:
        raise ValueError("a parameter is [node:]name:=value")
    value = _checked_value(match["name"], yaml.load(match["value"], Loader))
    result.parameters.append((match["node"] or "/**", match["name"], value))


def _log_level(result, text):
    name, _, level = text.rpartition(":=")
    if level.upper() not in _SEVERITIES:
        raise ValueError(f"the level must be one of {', '.join(_SEVERITIES[1:])}")
    result.log_levels.append((name, level.upper()))


def _parameter_file(result, path):
    with open(path, encoding="utf-8") as file:
        document = yaml.load(file, Loader)
    if not isinstance(document, dict):
        raise ValueError("a parameter file maps node names to ros__parameters")
    _nodes_of(result, document, "")


def _nodes_of(result, mapping, prefix):
    for key, value in mapping.items():
        if key == "ros__parameters":
            _flatten(result, prefix, value or {}, "")
        elif isinstance(value, dict):
            _nodes_of(result, value, f"{prefix}/{key}".replace("//", "/") if prefix else str(key))
        else:
            raise ValueError(f"{key}: parameters must stand below ros__parameters")


def _flatten(result, node, mapping, prefix):
    for key, value in mapping.items():
        if isinstance(value, dict):
            _flatten(result, node, value, f"{prefix}{key}.")
        else:
            name = f"{prefix}{key}"
            result.parameters.append((node, name, _checked_value(name, value)))


def _checked_value(name, value):
    """Lists must be of one type (integers among doubles become doubles)."""
    if isinstance(value, list):
        kinds = {type(item) for item in value}
        if kinds == {int, float}:
            return [float(item) for item in value]
        if len(kinds) > 1:
            raise ValueError(f"the items of {name} must be of one type")
    if value is None or not isinstance(value, (bool, int, float, str, list)):
        raise ValueError(f"{name} needs a bool, number, string or list of those, got {value!r}")
    return value


class Loader(yaml.SafeLoader):
    """YAML scalars as rcl reads them: `1e-3` is a number, a date is a string."""


Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if not tag.endswith(("timestamp", ":float"))
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_FLOAT = re.compile(
    r"[-+]?((\d+\.\d*|\.\d+)([eE][-+]?\d+)?|\d+[eE][-+]?\d+|\.(inf|Inf|INF))|\.(nan|NaN|NAN)$"
)
Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


# ---------------------------------------------------------------------------------------- names


def overrides_for(argument_sets, fully_qualified_name) -> dict:
    """{name: value} of the parameters given for a node, later ones win."""
    return {
        name: value
        for arguments in argument_sets
        for pattern, name, value in arguments.parameters
        if _node_matches(pattern, fully_qualified_name)
    }


def _node_matches(pattern, name):
    pattern = pattern if pattern.startswith("/") else "/" + pattern
    expression = re.escape(pattern).replace(r"/\*\*", r"(/\w+)*").replace(r"\*", r"\w+")
    return re.fullmatch(expression, name) is not None


def remapped_node(argument_sets, name, namespace):
    """Node name and namespace after `__node` and `__ns` rules; the first rule that fits wins."""
    found = {}
    for arguments in argument_sets:
        for node, source, target in arguments.remaps:
            if node in (None, name):
                found.setdefault("__node" if source == "__name" else source, target)
    return found.get("__node", name), found.get("__ns", namespace)


def expand(topic, name, namespace):
    """Absolute name of a topic or service as a node uses it (`~/x`, `x`, `/x`, `{node}`)."""
    base = namespace.rstrip("/")
    topic = topic.replace("{node}", name).replace("{ns}", base).replace("{namespace}", base)
    if topic.startswith("~"):
        return f"{base}/{name}{topic[1:]}"
    return topic if topic.startswith("/") else f"{base}/{topic}"


def remapped_topic(argument_sets, topic, name, namespace):
    """The absolute topic name after remapping."""
    for arguments in argument_sets:
        for node, source, target in arguments.remaps:
            applies = node in (None, name) and not source.startswith("__")
            if applies and expand(source, name, namespace) == topic:
                return expand(target, name, namespace)
    return topic


_NAME_RULES = {  # kind of name -> (expression that finds a mistake, what is wrong with it)
    "topic name": (
        (r"^$", "must not be empty string"),
        (r"/$", "must not end with a forward slash"),
        (r"[^\w/~{}]|[^\x00-\x7f]", "may hold only alphanumerics, '_', '~', '{', '}' and '/'"),
        (r"(?:^|/)(?=\d)", "token must not start with a number"),
        (r"(?<=.)~", "must not have tilde '~' unless it is the first character"),
        (r"^~[^/]", "must not have a tilde '~' that is not followed by a forward slash '/'"),
        (r"//", "must not contain repeated '/'"),
        (r"{(?!(node|ns|namespace)})", "has unmatched or unknown braces"),
        (r"(?<!{node)(?<!{ns)(?<!{namespace)}", "has unmatched or unknown braces"),
    ),
    "node name": (
        (r"^$", "must not be empty"),
        (r"^\d|[^A-Za-z0-9_]", "may hold only alphanumerics or '_' and not start with a number"),
    ),
    "namespace": (
        (r"^(?!/)", "must be absolute, it must lead with a '/'"),
        (r"[^\w/]|/(?=\d)|//|.+/$", "has an invalid token"),
    ),
}


def name_error(kind, name):
    """(what is wrong, index) of a name as given, None when it is valid."""
    for expression, text in _NAME_RULES[kind]:
        match = re.search(expression, name)
        if match:
            return f"{kind} {text}", match.start()
    return None
