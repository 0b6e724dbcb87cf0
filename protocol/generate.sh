#!/usr/bin/env bash
# Regenerates the committed Swift code of the control messages from consilium.proto.
# Needs protoc (Debian: protobuf-compiler) and protoc-gen-swift of the same swift-protobuf version as Package.swift.
set -euo pipefail
cd "$(dirname "$0")"
protoc --swift_out=../Sources/WireProtocol/Generated \
    --swift_opt=Visibility=Package --swift_opt=UseAccessLevelOnImports=true consilium.proto
