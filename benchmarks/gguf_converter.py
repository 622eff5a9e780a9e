# SPDX-License-Identifier: Apache-2.0
"""Whether `lfmvl export` writes the tensors that llama.cpp's own converter writes.

    python benchmarks/gguf_converter.py DIR     # DIR: sources of llama.cpp

The converter refuses the bundled checkpoint for three reasons that do not touch its tensors, so it
gets a copy with the architecture of the language tower, the names of the vision tower and the
pre-tokenizer that it expects.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from needs import end, needed_packages, run_command

with needed_packages():
    import numpy as np
    from safetensors.torch import load_file, save_file

    from lfmvl_ros.models.catalog import find
    from lfmvl_ros.models.gguf.export import export_gguf

KINDS = ("f32", "f16", "q8_0")  # the converter writes no others
_CONVERT = """
import runpy, sys
sys.path[:0] = [{folder!r}, {folder!r} + "/gguf-py"]
try:
    import conversion.base as base
except ImportError:  # older sources are one file
    import convert_hf_to_gguf as base
for kind in vars(base).values():
    if isinstance(kind, type) and hasattr(kind, "get_vocab_base_pre"):
        kind.get_vocab_base_pre = lambda self, tokenizer: "lfm2"
import convert_hf_to_gguf
sys.argv = {argv!r}
convert_hf_to_gguf.main()
"""


def palatable(source: Path, folder: Path) -> Path:
    """Copy a checkpoint in a form that the converter takes."""
    shutil.copytree(source, folder)
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["architectures"] = ["Lfm2ForCausalLM"]
    (folder / "config.json").write_text(json.dumps(config))
    processor = json.loads((folder / "processor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps(processor["image_processor"]))
    weights = {
        name.replace("vision_tower.", "vision_tower.vision_model."): weight
        for name, weight in load_file(folder / "model.safetensors").items()
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def convert(sources: Path, checkpoint: Path, kind: str, out: Path, *, mmproj: bool) -> None:
    """Run llama.cpp's converter."""
    argv = ["convert", str(checkpoint), "--outtype", kind, "--outfile", str(out)]
    argv += ["--mmproj"] if mmproj else []
    program = _CONVERT.format(folder=str(sources), argv=argv)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    if done.returncode:
        end(f"the converter failed: {done.stderr[-500:]}")


def equal(ours: Path, theirs: Path) -> tuple[int, list[str]]:
    """Return how many tensors are the same, name, type and bytes, and the names of the others."""
    with needed_packages():
        import gguf
    a, b = (
        {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors} for path in (ours, theirs)
    )
    same = {
        name
        for name in a.keys() & b.keys()
        if a[name].tensor_type == b[name].tensor_type
        and list(a[name].shape) == list(b[name].shape)
        and np.array_equal(a[name].data, b[name].data)
    }
    return len(same), sorted((a.keys() | b.keys()) - same)


def main() -> int:
    """Compare; exit code 1 when a tensor differs."""
    parser = argparse.ArgumentParser(
        description=f"{__doc__.splitlines()[0]} Takes about 40 seconds."
    )
    parser.add_argument("sources", type=Path, metavar="DIR", help="sources of llama.cpp")
    sources = parser.parse_args().sources.resolve()
    if not (sources / "convert_hf_to_gguf.py").is_file():
        end(f"{sources} holds no convert_hf_to_gguf.py: give the sources of llama.cpp")
    entry, wrong = find("bundled"), 0
    assert entry is not None
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        copy = palatable(Path(entry.source), folder / "copy")
        for kind in KINDS:
            ours = export_gguf(Path(entry.source), folder / "ours", kind, name="bundled")
            for path, mmproj in ((ours.text, False), (ours.mmproj, True)):
                theirs = folder / f"theirs-{path.name}"
                convert(sources, copy, kind, theirs, mmproj=mmproj)
                count, others = equal(path, theirs)
                print(f"{path.name}: {count} tensors equal, {len(others)} not", *others, flush=True)
                wrong += len(others)
    return 1 if wrong else 0


if __name__ == "__main__":
    run_command(main)
