# SPDX-License-Identifier: Apache-2.0
"""Clients of a running node: its tools for agents that speak MCP, and one command for a person."""
