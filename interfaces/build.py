#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Build the message packages that PyPI's ROS wheels lack, for the environment of this interpreter.

    python interfaces/build.py            # vision_msgs and tf2_msgs into site-packages

Every folder beside this file is a message package: ``<package>/msg/<Type>.msg``, as in ROS. The
wheels' own rosidl generators write the sources; the C and C++ compilers make one extension module
of each package. That takes seconds and needs neither colcon nor CMake. Type hashes (REP-2011) equal
those of an installed ROS 2, so that nodes built here and there talk to each other.

Where ROS 2 is installed, none of this is needed: its own packages are used.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
PREFIX = Path(sys.prefix)  # where the wheels put include/, lib/ and share/
# What rclpy asks each package for: serialisation for Fast DDS, and the fields' introspection.
TYPE_SUPPORTS = ("rosidl_typesupport_fastrtps_c", "rosidl_typesupport_introspection_c")

_KINDS = ("c", "introspection", "py")  # folders of generated C

# rclpy finds a message's type support through one C function per message. In ROS it looks for a
# shared library of each kind; here all kinds are in the one module, so the choice is a comparison.
HANDLE = """
#include <string.h>
#include "rosidl_runtime_c/message_type_support_struct.h"
#include "{package}/msg/detail/{stem}__functions.h"
typedef const rosidl_message_type_support_t * Handle;
{declarations}
static Handle choose_{name}(Handle handle, const char * kind)
{{
{choices}
  return strcmp(kind, handle->typesupport_identifier) ? 0 : handle;
}}
static const rosidl_message_type_support_t handle_{name} = {{
  "rosidl_typesupport_c", 0, choose_{name}, &{package}__msg__{name}__get_type_hash,
  &{package}__msg__{name}__get_type_description,
  &{package}__msg__{name}__get_type_description_sources,
}};
Handle rosidl_typesupport_c__get_message_type_support_handle__{package}__msg__{name}(void)
{{
  return &handle_{name};
}}
"""


def generate(package: str, work: Path) -> set[str]:
    """Write the sources of a package below ``work``; return the packages that it depends on."""
    from rosidl_adapter import convert_to_idl
    from rosidl_generator_c.cli import GenerateC
    from rosidl_generator_py.cli import GeneratePython
    from rosidl_generator_type_description.cli import HashTypeDescription
    from rosidl_typesupport_fastrtps_c.cli import GenerateFastRTPSCTypesupport
    from rosidl_typesupport_introspection_c.cli import GenerateIntrospectionCTypesupport

    share, idl = [str(PREFIX / "share")], work / "idl" / package
    names = sorted(path.stem for path in (HERE / package / "msg").glob("*.msg"))
    for name in names:
        convert_to_idl(HERE / package, package, Path("msg") / f"{name}.msg", idl)
    files = [f"{idl}:msg/{name}.idl" for name in names]
    hashes = HashTypeDescription("type_description").generate_type_hashes(
        package, files, share, work / "hash" / package
    )
    sources = work / "c" / package
    GenerateC("c").generate(
        package, files, share, sources, type_description_files=[str(path) for path in hashes]
    )
    GenerateFastRTPSCTypesupport("fastrtps_c").generate(package, files, share, sources)
    GenerateIntrospectionCTypesupport("introspection_c").generate(
        package,
        files,
        share,
        work / "introspection" / package,  # its files are named as those of c
    )
    GeneratePython("py", typesupport_implementations=["rosidl_typesupport_c"]).generate(
        package, files, share, work / "py" / package
    )
    (sources / "handles.c").write_text("".join(_handle(package, name) for name in names))
    return {
        described["type_name"].split("/")[0]
        for path in hashes
        for described in json.loads(Path(path).read_text())["type_description_msg"][
            "referenced_type_descriptions"
        ]
    } - {package}


def _handle(package: str, name: str) -> str:
    from rosidl_pycommon import convert_camel_case_to_lower_case_underscore as snake_case

    getters = {
        kind: f"{kind}__get_message_type_support_handle__{package}__msg__{name}"
        for kind in TYPE_SUPPORTS
    }
    return HANDLE.format(
        package=package,
        name=name,
        stem=snake_case(name),
        declarations="\n".join(f"Handle {getter}(void);" for getter in getters.values()),
        choices="\n".join(
            f'  if (!strcmp(kind, "{kind}")) {{ return {getter}(); }}'
            for kind, getter in getters.items()
        ),
    )


def compile_module(package: str, dependencies: set[str], work: Path) -> None:
    """Compile the generated sources into the extension module that the package's Python imports."""
    import numpy as np

    include = [
        work / "c",
        work / "introspection",
        PREFIX / "include",
        Path(sysconfig.get_paths()["include"]),
        Path(np.get_include()),
    ]
    include += [path for path in (PREFIX / "include").iterdir() if path.is_dir()]
    flags = ["-O1", "-fPIC", "-w", "-DNDEBUG", f"-DROSIDL_GENERATOR_C_BUILDING_DLL_{package}"]
    flags += [f"-I{path}" for path in include]
    c, cxx = _compiler("CC", "gcc"), _compiler("CXX", "g++")
    commands, objects = [], []
    for number, (unit, files) in enumerate(_units(package, work)):
        language = unit.suffix[1:]
        unit.write_text("".join(f'#include "{path}"\n' for path in files))
        objects.append(str(work / f"{number}.o"))
        compiler = [*cxx, "-std=gnu++17"] if language == "cpp" else [*c, "-std=gnu11"]
        commands.append([*compiler, *flags, "-c", str(unit), "-o", objects[-1]])
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(_run, commands))
    module = f"{package}_s__rosidl_typesupport_c{sysconfig.get_config_var('EXT_SUFFIX')}"
    libraries = [*TYPE_SUPPORTS, "rosidl_typesupport_fastrtps_cpp", "rosidl_runtime_c", "rcutils"]
    libraries += ["rmw"] + [
        f"{name}__{kind}"
        for name in sorted(dependencies)
        for kind in ("rosidl_generator_c", "rosidl_generator_py", *TYPE_SUPPORTS)
    ]
    lib = PREFIX / "lib"
    (fastcdr,) = lib.glob("libfastcdr.so.?")
    _run(
        [*cxx, "-shared", "-s", *objects, "-o", str(work / "py" / package / module),
         f"-L{lib}", f"-Wl,-rpath,{lib}", f"-Wl,-rpath-link,{lib}", "-Wl,--no-as-needed",
         *(f"-l{name}" for name in libraries), f"-l:{fastcdr.name}"]
    )  # fmt: skip


def _units(package: str, work: Path) -> list[tuple[Path, list[Path]]]:
    """Group sources into a few compilations: most of the time goes into the same headers.

    Descriptions define static names of their own and take a compilation each.
    """
    written = {kind: sorted((work / kind / package).rglob("*.c")) for kind in _KINDS}
    descriptions = [path for path in written["c"] if path.stem.endswith("__description")]
    groups = [[path] for path in descriptions]
    groups.append([path for path in written["c"] if path not in descriptions])
    groups += [written["introspection"], written["py"], sorted(work.rglob("*.cpp"))]
    return [(work / f"unit{n}{files[0].suffix}", files) for n, files in enumerate(groups)]


def _compiler(variable: str, default: str) -> list[str]:
    return shlex.split(os.environ.get(variable) or default)


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{shlex.join(command[:2])} ... failed:\n{done.stderr[-4000:]}")


def build(package: str, destination: Path) -> None:
    """Generate and compile a package; replace what stands at ``destination``."""
    with tempfile.TemporaryDirectory(prefix=f"{package}-") as folder:
        work = Path(folder)
        with contextlib.redirect_stdout(io.StringIO()):  # a line for every file that is written
            dependencies = generate(package, work)
        compile_module(package, dependencies, work)
        made = work / "py" / package
        (made / "__init__.py").touch()
        shutil.rmtree(destination / package, ignore_errors=True)
        shutil.copytree(made, destination / package, ignore=shutil.ignore_patterns("*.c", "tmp"))


def main() -> None:
    """Build every package beside this file."""
    os.environ["AMENT_PREFIX_PATH"] = str(PREFIX)  # generators look for their templates there
    for package in sorted(path.parent.name for path in HERE.glob("*/msg")):
        build(package, Path(sysconfig.get_paths()["purelib"]))
        print(f"{package} built")


if __name__ == "__main__":
    main()
