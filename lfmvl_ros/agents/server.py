# SPDX-License-Identifier: Apache-2.0
"""The node's tools as an MCP server, over any transport."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server

from lfmvl_ros import __version__
from lfmvl_ros.agents.commands import NodeCommands
from lfmvl_ros.agents.link import Link
from lfmvl_ros.core.commands.tools import TOOLS
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import json_text

IMAGE = "show_image"
_INSTRUCTIONS = (
    "Tools of a robot's camera: name objects in words, and get where they are. Boxes are shares of "
    "the image's width and height, positions are metres. count and where_is answer about what is "
    "looked for: call look_for or find first. show_image shows the camera image with boxes and ids."
)
_READ_ONLY = {"count", "where_is", "describe", IMAGE}
_Context = ServerRequestContext[Any, Any]


def build_server(link: Link) -> Server[Any]:
    """Return a server of the tools of the node that a link leads to.

    To be called in the loop that serves it.
    """
    commands = NodeCommands(link)

    async def list_tools(
        _: _Context, __: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=tools())

    async def call_tool(
        context: _Context, request: types.CallToolRequestParams
    ) -> types.CallToolResult:
        arguments = request.arguments or {}
        try:
            if request.name == IMAGE:
                return await _image(commands, arguments)
            return await _call(commands, context, request.name, arguments)
        except UserError as error:
            return types.CallToolResult(content=[_text(str(error))], is_error=True)

    return Server(
        "lfmvl",
        version=__version__,
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def tools() -> list[types.Tool]:
    """Return every tool of a node, and the one that shows what the camera sees."""
    found = [(tool.name, tool.help(), tool.schema()) for tool in TOOLS.values()]
    schema = {
        "type": "object",
        "properties": {
            "camera": {
                "type": "string",
                "description": "Name of the camera, where there are several.",
                "default": "",
            }
        },
        "additionalProperties": False,
    }
    found.append((IMAGE, "Show the camera image with the boxes and ids of objects.", schema))
    return [
        types.Tool(
            name=name,
            description=text,
            input_schema=schema,
            annotations=types.ToolAnnotations(
                read_only_hint=name in _READ_ONLY, destructive_hint=False, open_world_hint=True
            ),
        )
        for name, text, schema in found
    ]


async def _call(
    commands: NodeCommands, context: _Context, name: str, arguments: Mapping[str, Any]
) -> types.CallToolResult:
    """Do a call, with progress; what its client cancels ends at the node, too."""
    result: dict[str, Any] = {}
    async with aclosing(commands.results({"name": name, "arguments": arguments})) as results:
        async for result in results:
            data = _data_of(result)
            if result["status"] == "running" and "elapsed_s" in data:
                await context.session.report_progress(
                    data["elapsed_s"], data.get("timeout_s"), result["message"]
                )
    data = _data_of(result)
    content: list[types.ContentBlock] = [_text(result["message"])]
    content += [_text(json_text(data))] if data else []
    return types.CallToolResult(
        content=content,
        structured_content={key: result[key] for key in ("status", "message", "dry_run")}
        | {"data": data},
        is_error=result["status"] != "done",
    )


def _data_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of the one call that was sent."""
    return dict(result["calls"][0]["data"]) if result["calls"] else {}


async def _image(commands: NodeCommands, arguments: Mapping[str, Any]) -> types.CallToolResult:
    unknown, camera = set(arguments) - {"camera"}, arguments.get("camera", "")
    if unknown or not isinstance(camera, str):
        raise UserError(f"{IMAGE} takes one argument: camera, a text")
    annotated = await commands.image(camera)
    stamp = f"{annotated.stamp_ns // 10**9}.{annotated.stamp_ns % 10**9:09d}"
    image = types.ImageContent(
        data=base64.b64encode(annotated.data).decode("ascii"), mime_type=annotated.mime_type
    )
    return types.CallToolResult(content=[image, _text(f"taken at {stamp} s of ROS time")])


def _text(text: str) -> types.TextContent:
    return types.TextContent(text=text)
