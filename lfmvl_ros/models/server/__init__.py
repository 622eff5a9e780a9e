# SPDX-License-Identifier: Apache-2.0
"""A model behind an OpenAI-compatible server, such as llama.cpp's or vLLM. Imports no torch."""
