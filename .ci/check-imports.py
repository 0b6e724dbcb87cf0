#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Compares every target's import lines with Package.swift and with the module arrows; part of `make test`.
"""
Usage: .ci/check-imports.py [--manifest FILE] [--self-test]

The compiler lets a file import a module its target never declared when another target happens to build it. This
script refuses that, refuses declared dependencies nobody imports, and holds the arrows of ARCHITECTURE.md:
executables, commands, services, edges, domain, arithmetic; downwards, or sideways where SIDEWAYS says so.

--manifest FILE  reads this output of `swift package dump-package` instead of running it
--self-test      runs the cases at the end of this script instead of looking at the package

Exit status: 0 nothing to say, 1 something is wrong (file:line, error, hint on standard error), 3 no manifest.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys

# ---- What the project has decided ---------------------------------------------------------------------------------

LAYERS = {
    "executables": {"consilium", "consilium-site", "consilium-aggregator", "consilium-bench"},
    "commands": {"Commands", "DaemonSupport", "Simulation"},
    "services": {"SiteService", "AggregatorService", "ModelTraining"},
    "edges": {"WireProtocol", "PeerTransport", "Store", "ClinicalData", "ModelFiles", "StudyFiles", "Enrolment",
              "Execution", "Telemetry"},
    "domain": {"Federation", "NeuralNetworks", "DifferentialPrivacy", "SecureAggregation", "TransparencyLog",
               "Fairness"},
    "arithmetic": {"Tensors", "RingArithmetic", "Randomness", "Kernels", "COneDNN", "CLibcrypto", "CZlib"},
}
ORDER = list(LAYERS)
SIDEWAYS = {"commands", "edges", "domain", "arithmetic"}
PURE = {"domain", "arithmetic"}
IMPORTS_NOTHING_OF_OURS = {"PeerTransport"}
OPENS_NO_SOCKET = {"WireProtocol"}

SOCKETS = {"NIOPosix", "NIOSSL", "NIOExtras", "NIOTransportServices", "FoundationNetworking", "Network"}
IMPURE = re.compile(r"_?NIO\w*|GRDB\w*|SQLite3?|FoundationNetworking")
FOUNDATION = {"Foundation", "FoundationEssentials", "FoundationInternationalization"}

# Pure targets that may import Foundation, each with the reason. One that no longer does is an error, too.
FOUNDATION_ALLOWED: dict[str, str] = {
    "SecureAggregation": "swift-crypto takes and gives HPKE's info and encapsulated key as Data",
}

# Test targets may depend on these without importing them: they run the built programs.
RUN_BY_TESTS = LAYERS["executables"]

TOOLCHAIN = {
    "Swift", "_Concurrency", "_StringProcessing", "_Volatile", "Builtin", "Dispatch", "Distributed", "Foundation",
    "FoundationEssentials", "FoundationInternationalization", "FoundationNetworking", "FoundationXML", "Glibc",
    "Musl", "Darwin", "Observation", "RegexBuilder", "Synchronization",
}
TEST_ONLY = {"Testing", "XCTest"}

# Products whose modules do not carry the product's name.
PRODUCT_MODULES = {"_NIOFileSystem": {"_NIOFileSystem", "NIOFileSystem"}, "NIOFileSystem": {"NIOFileSystem"}}

# ---- Reading Swift ------------------------------------------------------------------------------------------------

NOT_CODE = re.compile(r'#+".*?"#+|"""(?:\\.|[^\\])*?"""|"(?:\\.|[^"\\\n])*"|//[^\n]*', re.DOTALL)
IMPORT = re.compile(
    r"(?:^|;)[ \t]*(?:@\w+(?:\([^)\n]*\))?\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?"
    r"import\s+(?:(?:typealias|struct|class|enum|protocol|let|var|func|actor)\s+)?`?(\w+)",
    re.MULTILINE)


def blank(text: str) -> str:
    """As many line ends as `text` has, and nothing else."""
    return "\n" * text.count("\n") or " "


def without_block_comments(source: str) -> str:
    """`source` without its block comments, which nest in Swift."""
    kept, depth, position = [], 0, 0
    token = re.compile(r"/\*|\*/|" + NOT_CODE.pattern, re.DOTALL)
    while match := (re.compile(r"/\*|\*/").search if depth else token.search)(source, position):
        text = source[position:match.start()]
        kept.append(blank(text) if depth else text)
        if match[0] == "/*":
            depth += 1
        elif match[0] == "*/":
            depth = max(0, depth - 1)
        else:
            kept.append(match[0])
        position = match.end()
    kept.append(blank(source[position:]) if depth else source[position:])
    return "".join(kept)


def imports_of(source: str) -> list[tuple[int, str]]:
    """(line, module) of every import declaration in a Swift file, comments and strings left out."""
    code = NOT_CODE.sub(lambda match: blank(match[0]), without_block_comments(source))
    return [(code.count("\n", 0, match.start(1)) + 1, match[1]) for match in IMPORT.finditer(code)]


# ---- Reading the manifest -----------------------------------------------------------------------------------------

@dataclasses.dataclass
class Target:
    name: str
    kind: str
    folder: str
    excluded: list[str]
    declared: dict[str, bool]  # name of the target or product -> is it a target of ours

    @property
    def is_for_tests(self) -> bool:
        return self.kind == "test" or self.folder.split("/")[0] in {"Tests", "Fuzz"}


def module_name(target: str) -> str:
    return re.sub(r"\W", "_", target)


def read_targets(manifest: dict) -> dict[str, Target]:
    names = {target["name"] for target in manifest["targets"]}
    targets = {}
    for entry in manifest["targets"]:
        declared = {}
        for dependency in entry.get("dependencies", []):
            kind, values = next(iter(dependency.items()))
            declared[values[0]] = kind == "target" or kind == "byName" and values[0] in names
        folder = entry.get("path") or ("Tests/" if entry["type"] == "test" else "Sources/") + entry["name"]
        targets[entry["name"]] = Target(entry["name"], entry["type"], folder.rstrip("/"), entry.get("exclude") or [],
                                        declared)
    return targets


# ---- The rules ----------------------------------------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Finding:
    place: str
    error: str
    hint: str


def layer_of(name: str) -> str | None:
    return next((layer for layer, members in LAYERS.items() if name in members), None)


def check_arrow(target: Target, other: str, for_tests: set[str]) -> Finding | None:
    """What is wrong with the arrow from `target` to `other`, both ours and `target` not a test."""
    place, arrow = "Package.swift", f"'{target.name}' depends on '{other}'"
    if other in for_tests:
        return Finding(place, arrow + ", which exists for tests", "move what is shared into a library target")
    if target.name in IMPORTS_NOTHING_OF_OURS:
        return Finding(place, arrow + f", but '{target.name}' imports nothing of ours",
                       "let the service that uses both translate")
    upper, lower = layer_of(target.name), layer_of(other)
    if upper is None or lower is None:
        return None  # reported where the target itself is checked
    if ORDER.index(lower) < ORDER.index(upper):
        return Finding(place, arrow + f": an arrow upwards, from {upper} to {lower}",
                       f"move what is needed into {upper} or below")
    if lower == upper and upper not in SIDEWAYS:
        return Finding(place, arrow + f": {upper} never import each other", "move what is shared one layer down")
    return None


def find_cycle(targets: dict[str, Target]) -> list[str] | None:
    """One cycle of arrows between our targets, first name repeated at the end, or nothing."""
    finished: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str] | None:
        if name in path:
            return path[path.index(name):] + [name]
        if name in finished or name not in targets:
            return None
        for other, is_ours in targets[name].declared.items():
            if is_ours and (cycle := visit(other, path + [name])):
                return cycle
        finished.add(name)
        return None

    return next((cycle for name in targets if (cycle := visit(name, []))), None)


def check_module(target: Target, module: str, place: str) -> Finding | None:
    """What is wrong with importing `module` in `target`, apart from its declaration."""
    layer = layer_of(target.name)
    if target.is_for_tests:
        return None
    if module in TEST_ONLY:
        return Finding(place, f"'{target.name}' imports '{module}'", "only targets under Tests/ may")
    if target.name in OPENS_NO_SOCKET and module in SOCKETS:
        return Finding(place, f"'{target.name}' opens no socket, but imports '{module}'", "put it into PeerTransport")
    if layer in PURE and IMPURE.fullmatch(module):
        return Finding(place, f"'{target.name}' is pure ({layer}), but imports '{module}'", "move this to an edge")
    if layer in PURE and module in FOUNDATION and target.name not in FOUNDATION_ALLOWED:
        return Finding(place, f"'{target.name}' is pure ({layer}), but imports '{module}'",
                       "do without, or list it in FOUNDATION_ALLOWED of .ci/check-imports.py with the reason")
    return None


def check(targets: dict[str, Target], sources: dict[str, dict[str, str]]) -> list[Finding]:
    """Every finding; `sources` maps target -> path -> text of its Swift files."""
    findings: list[Finding | None] = []
    for_tests = {target.name for target in targets.values() if target.is_for_tests}
    ours = {module_name(name): name for name in targets}
    for target in targets.values():
        if not target.is_for_tests:
            if layer_of(target.name) is None:
                findings.append(Finding("Package.swift", f"target '{target.name}' belongs to no layer",
                                        "put it into LAYERS of .ci/check-imports.py and into ARCHITECTURE.md"))
            findings += [check_arrow(target, other, for_tests) for other, is_ours in target.declared.items() if is_ours]
        findings += check_imports(target, sources.get(target.name, {}), ours)
    if cycle := find_cycle(targets):
        findings.append(Finding("Package.swift", "arrows in a circle: " + " -> ".join(cycle), "cut one of them"))
    return [finding for finding in findings if finding]


def check_imports(target: Target, files: dict[str, str], ours: dict[str, str]) -> list[Finding | None]:
    """Findings about the import lines of one target."""
    findings: list[Finding | None] = []
    provided = {module: name for name, is_ours in target.declared.items()
                for module in (PRODUCT_MODULES.get(name, {name}) if not is_ours else {module_name(name)})}
    seen: set[str] = set()
    for path, text in sorted(files.items()):
        for line, module in imports_of(text):
            seen.add(module)
            findings.append(check_module(target, module, f"{path}:{line}"))
            if module in provided or module in TOOLCHAIN or module in TEST_ONLY or module == module_name(target.name):
                continue
            entry = f'"{ours[module]}"' if module in ours else f'.product(name: "{module}", package: "…")'
            findings.append(Finding(f"{path}:{line}", f"'{target.name}' imports '{module}', which it does not declare",
                                    f"add {entry} to its dependencies in Package.swift, or drop the import"))
    if files:
        for name in sorted(set(provided.values()) - {provided[module] for module in seen if module in provided}):
            if not (target.is_for_tests and name in RUN_BY_TESTS):
                findings.append(Finding("Package.swift", f"'{target.name}' declares '{name}', which no file imports",
                                        "remove it from the target's dependencies"))
        if target.name in FOUNDATION_ALLOWED and not seen & FOUNDATION:
            findings.append(Finding(".ci/check-imports.py", f"'{target.name}' no longer imports Foundation",
                                    "remove it from FOUNDATION_ALLOWED"))
    return findings


# ---- The program --------------------------------------------------------------------------------------------------

def read_sources(root: pathlib.Path, target: Target) -> dict[str, str]:
    files = {}
    for folder, _, names in os.walk(root / target.folder, followlinks=True):
        for name in names:
            path = pathlib.Path(folder, name)
            inside = path.relative_to(root / target.folder).as_posix()
            if name.endswith(".swift") and not any(f"{inside}/".startswith(f"{e}/") for e in target.excluded):
                files[path.relative_to(root).as_posix()] = path.read_text(encoding="utf-8")
    return files


def main() -> int:
    parser = argparse.ArgumentParser(description="compare imports with Package.swift and with the module arrows")
    parser.add_argument("--manifest", type=pathlib.Path, help="output of `swift package dump-package`")
    parser.add_argument("--self-test", action="store_true", help="check this script itself")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()

    root = pathlib.Path(__file__).resolve().parent.parent
    try:
        if arguments.manifest:
            manifest = json.loads(arguments.manifest.read_text(encoding="utf-8"))
        else:
            dump = subprocess.run(["swift", "package", "dump-package"], cwd=root, stdout=subprocess.PIPE, check=True)
            manifest = json.loads(dump.stdout)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        print(f"error: no manifest: {error}\nhint: run `swift package dump-package`", file=sys.stderr)
        return 3
    targets = read_targets(manifest)
    findings = check(targets, {name: read_sources(root, target) for name, target in targets.items()})
    for finding in findings:
        print(f"{finding.place}: error: {finding.error}\nhint: {finding.hint}", file=sys.stderr)
    if not findings:
        print(f"imports: {len(targets)} targets agree with Package.swift and with the arrows")
    return 1 if findings else 0


# ---- Self-test ----------------------------------------------------------------------------------------------------

READING_CASES = (
    ("import NIOCore\npackage import Tensors\n", [(1, "NIOCore"), (2, "Tensors")]),
    ("@_exported public import struct Foundation.Data\n", [(1, "Foundation")]),
    ("@preconcurrency\nimport Crypto; import X509\n", [(2, "Crypto"), (2, "X509")]),
    ("@_spi(Test) internal import `Store`\n", [(1, "Store")]),
    ("// import A\n/* import B\n /* import C */\nimport D */ import E // import F\n", [(4, "E")]),
    ('let text = """\nimport A\n"""\nlet more = "https://x" /* " */\nimport B\n', [(5, "B")]),
    ('let raw = #"\nimport A"#\n#if canImport(Glibc)\n    import Glibc\n#endif\n', [(4, "Glibc")]),
    ("func importTable() {}\nlet important = 1\ncase .import: break\n", []),
)

# (claim, target -> (kind, dependencies, import lines), part of the one expected error or None)
# Dependencies starting with a dot are products of other packages.
RULE_CASES = (
    ("a downward arrow that is declared and used",
     {"Store": ("regular", ["Tensors", ".GRDB"], "import GRDB\nimport Tensors"), "Tensors": ("regular", [], "")}, None),
    ("toolchain modules need no declaration",
     {"Store": ("regular", [], "import Foundation\nimport Synchronization")}, None),
    ("an undeclared module of ours",
     {"Store": ("regular", [], "import Tensors"), "Tensors": ("regular", [], "")}, "which it does not declare"),
    ("an undeclared product", {"Store": ("regular", [], "import GRDB")}, "which it does not declare"),
    ("a declared product nobody imports",
     {"Store": ("regular", [".GRDB"], "import Foundation")}, "which no file imports"),
    ("an arrow upwards",
     {"Tensors": ("regular", ["Fairness"], "import Fairness"), "Fairness": ("regular", [], "")}, "an arrow upwards"),
    ("a service that imports the other",
     {"SiteService": ("regular", ["AggregatorService"], "import AggregatorService"),
      "AggregatorService": ("regular", [], "")}, "services never import each other"),
    ("an arrow sideways between edges",
     {"Enrolment": ("regular", ["Store"], "import Store"), "Store": ("regular", [], "")}, None),
    ("a transport that knows our messages",
     {"PeerTransport": ("regular", ["WireProtocol"], "import WireProtocol"), "WireProtocol": ("regular", [], "")},
     "imports nothing of ours"),
    ("messages that open a socket",
     {"WireProtocol": ("regular", [".NIOPosix"], "import NIOPosix")}, "opens no socket"),
    ("messages that use buffers", {"WireProtocol": ("regular", [".NIOCore"], "import NIOCore")}, None),
    ("a pure target with NIO", {"Federation": ("regular", [".NIOCore"], "import NIOCore")}, "is pure (domain)"),
    ("a pure target with SQL", {"Fairness": ("regular", [".GRDB"], "import GRDB")}, "is pure (domain)"),
    ("a pure target with Foundation", {"Tensors": ("regular", [], "import Foundation")}, "is pure (arithmetic)"),
    ("Foundation networking in a pure target",
     {"Tensors": ("regular", [], "import FoundationNetworking")}, "is pure (arithmetic)"),
    ("a target without a layer", {"Miscellany": ("regular", [], "")}, "belongs to no layer"),
    ("a circle",
     {"Store": ("regular", ["Enrolment"], "import Enrolment"), "Enrolment": ("regular", ["Store"], "import Store")},
     "arrows in a circle"),
    ("a test that runs a program without importing it",
     {"CommandsTests": ("test", ["consilium"], "import Testing"), "consilium": ("executable", [], "")}, None),
    ("a test of a program by its module name",
     {"SiteTests": ("test", ["consilium-site"], "import consilium_site"), "consilium-site": ("executable", [], "")},
     None),
    ("tests may import anything they declare",
     {"TensorsTests": ("test", ["Tensors", ".NIOCore"], "import Tensors\nimport NIOCore"),
      "Tensors": ("regular", [], "")}, None),
    ("a test with an undeclared import",
     {"TensorsTests": ("test", [], "import Tensors"), "Tensors": ("regular", [], "")}, "which it does not declare"),
    ("the test framework outside tests", {"Store": ("regular", [], "import Testing")}, "only targets under Tests/"),
    ("a library that depends on test support",
     {"Store": ("regular", ["TestSupport"], "import TestSupport"), "TestSupport": ("regular", [], "")},
     "which exists for tests"),
)


def self_test() -> int:
    """Runs both tables of cases; 0 when every one came out as it says."""
    wrong = [f"reading {source!r}: {imports_of(source)}, expected {expected}"
             for source, expected in READING_CASES if imports_of(source) != expected]
    for claim, package, expected in RULE_CASES:
        manifest = {"targets": [
            {"name": name, "type": kind, "path": "Tests/TestSupport" if name == "TestSupport" else None,
             "dependencies": [{"product": [d[1:], "package", None, None]} if d[0] == "." else {"byName": [d, None]}
                              for d in dependencies]}
            for name, (kind, dependencies, _) in package.items()]}
        findings = check(read_targets(manifest), {name: {f"{name}.swift": text + "\n"}
                                                  for name, (_, _, text) in package.items()})
        errors = [(finding.error, finding.hint) for finding in findings]
        if len(errors) != (expected is not None) or expected and not any(expected in text for text in errors[0]):
            wrong.append(f"{claim}: found {errors or 'nothing'}, expected {expected or 'nothing'}")
    for line in wrong:
        print(f"error: self-test: {line}", file=sys.stderr)
    print(f"imports: {len(READING_CASES) + len(RULE_CASES) - len(wrong)} of "
          f"{len(READING_CASES) + len(RULE_CASES)} cases of the self-test hold")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
