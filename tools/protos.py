"""Derives everything from `protos/`: Python stubs, the descriptor set, and the checks of the contract.

    python tools/protos.py generate   writes generated/
    python tools/protos.py check      buf lint, format and breaking, of protos/ as it is now
    python tools/protos.py format     rewrites the files as buf formats them
    python tools/protos.py baseline   accepts today's contract as the one that must not be broken

What the imports need comes from installed packages (`googleapis-common-protos`, `protovalidate`,
`grpcio-tools`), so none of them needs the network.
"""

from __future__ import annotations

import argparse
import importlib.resources
import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, field_mask_pb2, timestamp_pb2
from google.rpc import status_pb2
from grpc_tools import protoc
from protovalidate._gen.buf.validate import validate_pb

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
BASELINE = PROTOS / "baseline.binpb"
GENERATED = ROOT / "generated"
DESCRIPTORS = GENERATED / "descriptors.binpb"
BIN = Path(sys.executable).parent

# Not imported by the contract, but part of its answers: Envoy prints error details only with these at hand.
ERROR_FILES = ("google/rpc/status.proto", "google/rpc/error_details.proto")
VALIDATE_FILE = "buf/validate/validate.proto"

# buf's own extension of FileDescriptorProto, `buf_extension {is_import: true}`: field 8042.
# https://github.com/bufbuild/buf/blob/main/proto/buf/alpha/image/v1/image.proto
IS_IMPORT = bytes([0xD2, 0xF6, 0x03, 0x02, 0x08, 0x01])


def contract_files() -> list[str]:
    """The contract's files, relative to `protos/`, sorted."""
    return sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))


def validate_descriptors() -> bytes:
    """`buf/validate/validate.proto` and its imports, as a serialized FileDescriptorSet.

    protovalidate's wheel carries the compiled descriptor only.
    """
    files = descriptor_pb2.FileDescriptorSet()
    pool = descriptor_pool.Default()
    for module in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        pool.FindFileByName(module.DESCRIPTOR.name).CopyToProto(files.file.add())
    files.file.add().ParseFromString(validate_pb._DESC.proto.to_binary())  # noqa: SLF001  has no public name
    return files.SerializeToString()


def compile_protos(validate_set: Path, *arguments: str) -> None:
    """Runs protoc over `arguments` with every import path; raises when it fails."""
    google_api = Path(status_pb2.__file__).parent.parent.parent
    well_known = importlib.resources.files("grpc_tools") / "_proto"
    command = [
        "protoc",
        f"--descriptor_set_in={validate_set}",
        f"-I{PROTOS}",
        f"-I{google_api}",
        f"-I{well_known}",
        *arguments,
    ]
    if protoc.main(command) != 0:
        raise SystemExit("protoc failed; what is wrong stands above")


def generate() -> None:
    """Writes `generated/`: stubs with types and the descriptor set, replacing what was there."""
    with tempfile.TemporaryDirectory(dir=ROOT) as scratch:
        out = Path(scratch) / "generated"
        out.mkdir()
        validate_set = Path(scratch) / "validate.binpb"
        validate_set.write_bytes(validate_descriptors())
        plugins = [
            f"--plugin=protoc-gen-{name}={BIN / f'protoc-gen-{name}'}" for name in ("mypy", "mypy_grpc")
        ]
        compile_protos(
            validate_set,
            *plugins,
            f"--python_out={out}",
            f"--grpc_python_out={out}",
            f"--mypy_out=quiet:{out}",
            f"--mypy_grpc_out=quiet,only_async:{out}",
            *contract_files(),
        )
        compile_protos(validate_set, f"--python_out={out}", VALIDATE_FILE)
        write_descriptors(validate_set, out / DESCRIPTORS.name)
        for path in [path for path in out.rglob("*_pb2_grpc.py*") if is_without_services(out, path)]:
            path.unlink()
        if GENERATED.exists():  # moved, not removed: others may be reading it
            GENERATED.rename(Path(scratch) / "former")
        out.rename(GENERATED)


def write_descriptors(validate_set: Path, target: Path) -> None:
    """Writes the descriptor set: the contract, what it imports, and the messages of its errors."""
    compile_protos(
        validate_set,
        "--include_imports",
        "--include_source_info",
        f"--descriptor_set_out={target}",
        *contract_files(),
        *ERROR_FILES,
    )


def is_without_services(out: Path, stub: Path) -> bool:
    """Whether a generated gRPC module defines nothing: the plugin writes one for every file."""
    name = str(stub.relative_to(out)).partition("_pb2_grpc")[0] + ".proto"
    return "\nservice " not in (PROTOS / name).read_text()


def buf_image(target: Path, *, source_info: bool) -> None:
    """Writes the contract, as it is now, as an image that buf reads, with the imports marked as such."""
    with tempfile.TemporaryDirectory() as scratch:
        validate_set, descriptors = Path(scratch) / "validate.binpb", Path(scratch) / DESCRIPTORS.name
        validate_set.write_bytes(validate_descriptors())
        write_descriptors(validate_set, descriptors)
        files = descriptor_pb2.FileDescriptorSet.FromString(descriptors.read_bytes())
    ours = set(contract_files())
    for file in files.file:
        if file.name not in ours:
            file.MergeFromString(IS_IMPORT)
        if not source_info:
            file.ClearField("source_code_info")
    target.write_bytes(files.SerializeToString(deterministic=True))


def buf(*arguments: str) -> int:
    """Runs buf; returns its exit code."""
    return subprocess.run([BIN / "buf", *arguments], cwd=ROOT, check=False).returncode


def check() -> int:
    """Runs buf's lint, format and breaking checks; returns 0 when all pass."""
    with tempfile.TemporaryDirectory() as scratch:
        image = Path(scratch) / "contract.binpb"
        buf_image(image, source_info=True)
        results = [
            buf("lint", str(image)),
            buf("format", "--diff", "--exit-code", "protos"),
            buf("breaking", str(image), "--against", str(BASELINE)),
        ]
    return max(results)


def main() -> int:
    """Runs one of the commands; returns its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("generate", "check", "format", "baseline"))
    command = parser.parse_args().command
    if command == "check":
        return check()
    if command == "format":
        return buf("format", "--write", "protos")
    if command == "baseline":
        buf_image(BASELINE, source_info=False)
    else:
        generate()
    return 0


if __name__ == "__main__":
    sys.exit(main())
