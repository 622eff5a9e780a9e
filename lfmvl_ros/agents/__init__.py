# SPDX-License-Identifier: Apache-2.0
"""Tools of a running node for agents that speak MCP: ``lfmvl mcp``."""
