// SPDX-License-Identifier: Apache-2.0
// libFuzzer's way into the target `envelope`.

import FuzzTargets

@_cdecl("LLVMFuzzerTestOneInput")
func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    FuzzTarget.envelope.run(Array(UnsafeBufferPointer(start: start, count: count)))
    return 0
}
