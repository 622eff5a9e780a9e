# SPDX-License-Identifier: Apache-2.0
"""``lfmvl mcp``: the mcp package's own client uses a real node, over stdio and over HTTP."""

import asyncio
import base64
import json
import os
import re
import signal
import subprocess
import sys

import cv2
import httpx2
import numpy as np
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from std_msgs.msg import String

from lfmvl_ros.core.commands.tools import TOOLS
from lfmvl_ros.ros import qos

from .conftest import PATIENCE_S

CRATE = json.dumps([{"label": "crate", "bbox": [0.25, 0.25, 0.50, 0.75]}])
PIPES = ("stdin", "stdout", "stderr")
COMMAND = [sys.executable, "-m", "lfmvl_ros.cli.main", "mcp"]


def over_stdio(world, *arguments):
    """Return a client that starts the command itself, as agents do."""
    words = [*COMMAND[1:], "--namespace", world.namespace, *arguments]
    return Client(StdioServerParameters(command=COMMAND[0], args=words, env=dict(os.environ)))


@pytest.fixture
def camera(world):
    """A node that sees a crate, and a camera that sends images."""
    world.perception([{"text": CRATE, "delay_s": 0.05}], query="crate")
    camera, _ = world.connected_camera()
    camera.start(10.0)
    return camera


def data_of(result):
    assert not result.is_error, result
    assert result.structured_content["status"] == "done"
    return result.structured_content["data"]


async def cancelled_search(client, results):
    """Start to find something that isn't there, hear of progress, cancel; return the progress."""
    heard, told = asyncio.Event(), []

    async def progress(done, total, message):
        told.append((done, total, message))
        if len(told) > 1:
            heard.set()

    arguments = {"label": "cone", "timeout_s": 500}
    search = asyncio.create_task(client.call_tool("find", arguments, progress_callback=progress))
    await asyncio.wait_for(heard.wait(), PATIENCE_S)
    assert not search.done()
    search.cancel()
    with pytest.raises(asyncio.CancelledError):
        await search
    await asyncio.to_thread(
        results.next_json,
        lambda d: d["status"] == "cancelled" and d["calls"][0]["name"] == "find",
    )
    return told


def test_an_agent_over_stdio(world, camera):
    results = world.listen(String, "command_result", qos.REQUESTS)

    async def agent():
        async with over_stdio(world) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert set(tools) == {*TOOLS, "show_image"}
            for name, tool in TOOLS.items():
                assert tools[name].input_schema == tool.schema()
                assert tools[name].description == tool.help()

            found = data_of(await client.call_tool("find", {"label": "crate", "timeout_s": 60}))
            assert found["found"]
            assert found["objects"][0]["label"] == "crate"
            counted = await client.call_tool("count", {"label": "crate"})
            while data_of(counted)["coasting_ids"]:  # a machine that stalls misses an answer
                counted = await client.call_tool("count", {"label": "crate"})
            assert data_of(counted)["count"] == 1
            assert json.loads(counted.content[1].text) == data_of(counted)

            image, told = (await client.call_tool("show_image")).content
            pixels = cv2.imdecode(np.frombuffer(base64.b64decode(image.data), np.uint8), 1)
            assert image.mime_type == "image/jpeg"
            assert pixels.shape == (48, 64, 3)
            stamp = re.fullmatch(r"taken at (\d+)\.(\d{9}) s of ROS time", told.text)
            assert int(stamp[1]) * 10**9 + int(stamp[2]) in camera.sent_ns

            progress = await cancelled_search(client, results)
            times = [done for done, _, _ in progress]
            assert times == sorted(set(times))
            assert {total for _, total, _ in progress} == {500}
            assert "cone" in progress[-1][2]

            for name, arguments, why in (
                ("fnd", {"label": "crate"}, "no tool 'fnd'; did you mean find"),
                ("find", {"label": 7}, "label must be one label"),
                ("find", {"label": "x" * 30_000}, "a command takes at most 20000 characters"),
                ("count", {"label": "ladder"}, "'ladder' is not in the query"),
                ("show_image", {"camera": 7}, "takes one argument: camera"),
                ("show_image", {"camera": "a b"}, "is not the name of a camera"),
            ):
                refused = await client.call_tool(name, arguments)
                assert refused.is_error
                assert why in refused.content[0].text

    asyncio.run(agent())


@pytest.mark.slow  # DDS takes a while to give a process up
def test_a_search_ends_with_the_client_and_with_the_node(world):
    results = world.listen(String, "command_result", qos.REQUESTS)
    process = world.perception([{"text": "[]", "delay_s": 0.05}])
    world.connected_camera()
    begun = lambda d: d["status"] == "running"  # noqa: E731

    async def leaves():
        async with over_stdio(world) as client:
            search = asyncio.create_task(client.call_tool("find", {"label": "cone"}))
            await asyncio.to_thread(results.next_json, begun)
        await asyncio.gather(search, return_exceptions=True)

    asyncio.run(leaves())
    results.next_json(lambda d: d["status"] == "cancelled")

    async def is_left():
        async with over_stdio(world) as client:
            search = asyncio.create_task(client.call_tool("find", {"label": "cone"}))
            await asyncio.to_thread(results.next_json, begun)
            process.kill()  # without a word
            ended = await asyncio.wait_for(search, PATIENCE_S)
            assert ended.is_error
            assert "has ended before it reported" in ended.content[0].text
            alone = await client.call_tool("count", {"label": "cone"})
            assert alone.is_error
            assert "no perception node answers commands in " in alone.content[0].text

    asyncio.run(is_left())


def test_agents_over_http_need_the_token(world, camera):
    results = world.listen(String, "command_result", qos.REQUESTS)
    process = subprocess.Popen(
        [*COMMAND, "--namespace", world.namespace, "--http", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LFMVL_MCP_TOKEN": ""},
    )
    try:
        line = process.stderr.readline()
        url, token = re.search(r"(http://127\.0\.0\.1:\d+/mcp), token (\S+)", line).groups()
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": token}):
            assert httpx2.post(url, json={}, headers=headers).status_code == 401

        async def agent():
            headers = {"Authorization": f"Bearer {token}"}
            async with httpx2.AsyncClient(headers=headers, timeout=PATIENCE_S) as http:
                other = {"Host": "elsewhere.example", "Content-Type": "application/json"}
                assert (await http.post(url, json={}, headers=other)).status_code == 421
                async with Client(streamable_http_client(url, http_client=http)) as client:
                    found = await client.call_tool("find", {"label": "crate", "timeout_s": 60})
                    assert data_of(found)["found"]
                    assert len(await cancelled_search(client, results)) > 1

        asyncio.run(agent())
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 128 + signal.SIGTERM
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--namespace", "/no spaces"), "is not a namespace"),
        (("--http", "70000"), "--http: a whole number from 0 to 65535"),
    ],
)
def test_what_cannot_be_served_is_one_line(ros, arguments, why):
    ended = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert why in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_signal_ends_the_command_while_it_waits_for_its_client(ros):
    with subprocess.Popen(COMMAND, **dict.fromkeys(PIPES, subprocess.PIPE)) as process:
        hello = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        process.stdin.write(json.dumps(hello).encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 128 + signal.SIGTERM
        assert b"Traceback" not in process.stderr.read()
