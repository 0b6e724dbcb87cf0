// SPDX-License-Identifier: Apache-2.0
// The people's command: everything it does lives in the library Commands.

import Commands
import Glibc

@main
struct Consilium {
    static func main() async {
        exit(await CommandLineProgram.run(Array(CommandLine.arguments.dropFirst())))
    }
}
