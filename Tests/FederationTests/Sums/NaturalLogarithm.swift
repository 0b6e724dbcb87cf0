// SPDX-License-Identifier: Apache-2.0
// The mathematics library's logarithm under a name of its own.

import Foundation

func naturalLogarithm(_ value: Double) -> Double { log(value) }
