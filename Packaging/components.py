#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# What is linked into the programs, as a CycloneDX list or as a Debian copyright file.
"""
Usage: Packaging/components.py sbom|copyright --build DIR --runtime DIR --version V --system FILE… > OUTPUT

--build DIR    SwiftPM's folder (.build): its link lists say which packages are really in the programs
--runtime DIR  the Swift toolchain's folder (…/usr), for the licence of the runtime libraries
--system FILE  the shared libraries of the system that the programs load
"""

import argparse
import dataclasses
import json
import pathlib
import re
import subprocess

PROGRAMS = ["consilium", "consilium-site", "consilium-aggregator"]
SWIFT_LICENCE = "Apache-2.0 WITH Swift-exception"


@dataclasses.dataclass(frozen=True)
class Component:
    name: str
    version: str
    purl: str
    licence: str
    source: str = ""
    text: str = ""
    notice: str = ""


def licence_of(text: str) -> str:
    if "Runtime Library Exception" in text:
        return SWIFT_LICENCE
    if "Apache License" in text:
        return "Apache-2.0"
    if "Permission is hereby granted, free of charge" in text:
        return "MIT"
    raise SystemExit("error: a linked package has a licence that this script does not know")


def linked_packages(build: pathlib.Path, pins: pathlib.Path) -> list[Component]:
    """The packages of which at least one object file is in a program."""
    release = build / "release"
    targets = set()
    for program in PROGRAMS:
        for line in (release / f"{program}.product/Objects.LinkFileList").read_text().splitlines():
            found = re.search(r"/release/([^/]+)\.build/", line)
            if found:
                targets.add(found.group(1))
    checkouts = build / "checkouts"
    folders = {target.name: package.name
               for package in checkouts.iterdir() if package.is_dir()
               for pattern in ("Sources/*", "*") for target in package.glob(pattern) if target.is_dir()}
    names = set()
    for target in sorted(targets):
        listed = release / f"{target}.build/sources"
        text = listed.read_text() if listed.is_file() else ""
        found = re.search(r"/checkouts/([^/]+)/", text)
        if found:
            names.add(found.group(1))
        elif f"/Sources/{target}/" not in text and target in folders:
            names.add(folders[target])
    versions = {}
    for pin in json.loads(pins.read_text())["pins"]:
        folder = pin["location"].rstrip("/").removesuffix(".git").rsplit("/", 1)[-1]
        versions[folder] = (pin["state"].get("version") or pin["state"]["revision"], pin["location"])
    components = []
    for name in sorted(names, key=str.lower):
        version, location = versions[name]
        files = {path.stem.upper(): path for path in (checkouts / name).iterdir()
                 if path.stem.upper() in ("LICENSE", "NOTICE")}
        text = files["LICENSE"].read_text()
        notice = files["NOTICE"].read_text() if "NOTICE" in files else ""
        where = location.removesuffix(".git").removeprefix("https://")
        components.append(Component(
            name, version, f"pkg:swift/{where}@{version}", licence_of(text), location, text, notice))
    return components


def runtime(folder: pathlib.Path) -> Component:
    answer = subprocess.run([folder / "bin/swiftc", "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"Swift version ([\d.]+)", answer).group(1)
    text = (folder / "share/swift/LICENSE.txt").read_text()
    return Component("swift-runtime", version, f"pkg:generic/swift-runtime@{version}", SWIFT_LICENCE,
                     "https://www.swift.org", text)


def system_libraries(files: list[str]) -> list[Component]:
    """The Debian packages that the files belong to."""
    components = {}
    for file in files:
        path = pathlib.Path(file).resolve()
        for candidate in (str(path), str(path).removeprefix("/usr")):
            answer = subprocess.run(["dpkg-query", "--search", candidate], capture_output=True, text=True)
            if answer.returncode == 0:
                package = answer.stdout.split(": ")[0].split(",")[0]
                name, version = subprocess.run(
                    ["dpkg-query", "--show", "--showformat=${Package} ${Version}", package],
                    capture_output=True, text=True, check=True).stdout.split()
                components[name] = Component(name, version, f"pkg:deb/debian/{name}@{version}", "")
                break
        else:
            raise SystemExit(f"error: no package of the system has {path.name}")
    return [components[name] for name in sorted(components)]


def bill(components: list[Component], version: str) -> str:
    def entry(component: Component) -> dict:
        value = {"type": "library", "bom-ref": component.purl, "name": component.name, "version": component.version,
                 "purl": component.purl}
        if component.licence:
            value["licenses"] = [{"expression": component.licence}]
        return value

    program = f"pkg:generic/consilium@{version}"
    return json.dumps({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {"component": {
            "type": "application", "bom-ref": program, "name": "consilium", "version": version, "purl": program,
            "licenses": [{"expression": "Apache-2.0"}]}},
        "components": [entry(component) for component in components],
        "dependencies": [{"ref": program, "dependsOn": [component.purl for component in components]}],
    }, indent=2) + "\n"


def indented(text: str) -> str:
    return "\n".join(f" {line.rstrip()}" if line.strip() else " ." for line in text.strip().splitlines())


def copyright_file(components: list[Component]) -> str:
    """Debian's machine-readable form, version 1.0."""
    parts = ["Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
             "Upstream-Name: consilium",
             "Files: *\nCopyright: the Consilium authors\nLicense: Apache-2.0"]
    texts = {"Apache-2.0": "On Debian systems the full text is in /usr/share/common-licenses/Apache-2.0."}
    for component in components:
        holders = [line.strip() for line in component.text.splitlines()
                   if re.match(r"\s*Copyright (\(C\)|\(c\)|©|\d)", line) and "[yyyy]" not in line]
        licence = component.licence.replace(" WITH ", "-with-").replace("-with-Swift-exception", " with Swift exception")
        if component.licence == "MIT":
            licence = f"MIT-{component.name}"
            texts[licence] = component.text
        elif component.licence == SWIFT_LICENCE:
            exception = component.text[component.text.index("As an exception"):]
            texts[licence] = texts["Apache-2.0"] + "\n" + exception
        lines = [f"Files: linked/{component.name}/*",
                 "Copyright: " + ("\n ".join(holders) or f"the {component.name} authors"),
                 f"License: {licence}", f"Comment: version {component.version}, {component.source}"]
        if component.notice:
            lines.append(" .\n" + indented(component.notice))
        parts.append("\n".join(lines))
    parts += [f"License: {name}\n{indented(text)}" for name, text in sorted(texts.items())]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("form", choices=["sbom", "copyright"])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--runtime", type=pathlib.Path, required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--system", nargs="*", default=[])
    options = parser.parse_args()
    components = linked_packages(options.build, options.build.parent / "Package.resolved")
    components.append(runtime(options.runtime))
    if options.form == "sbom":
        print(bill(components + system_libraries(options.system), options.version), end="")
    else:
        print(copyright_file(components), end="")


if __name__ == "__main__":
    main()
