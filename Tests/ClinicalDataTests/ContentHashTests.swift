// SPDX-License-Identifier: Apache-2.0
// The hash that names a table's encoded content: fixed bytes, and different for every different content.

import ClinicalData
import Federation
import Testing

@Suite struct ContentHashTests {
    /// Computed by `python3 -c`: sha256 of the bytes that the documentation of `EncodedTable.hash` lists, for the
    /// sample table (struct.pack of '<Q', '<I', '<f' and bytes).
    @Test func theHashIsThatOfTheDocumentedBytes() throws {
        #expect(
            try load(Sample.text).table.contentHash.hex
                == "ccb178d18345653fa624de6bc7a15f58ca93e5447882645a68d01a9c83a52792")
    }

    @Test func everyChangeOfAValueChangesTheHash() throws {
        let original = try load(Sample.text).table.contentHash
        let changes = [
            ("63.0", "63.5"), ("63.0", ""), ("p2,41,f", "p2,41,m"), ("p2,41,f", "p2,41,"), ("2000-02-29", "2000-02-28"),
            ("p4,55,?,2000-02-29,0", "p4,55,?,2000-02-29,1"), ("0,test", "0,train"), ("1,other", "1,test"),
            ("p2,", "p1,"), ("p6,0,m,2001-01-01,?", "p6,0,m,2001-01-01,1"),
        ]
        var hashes: Set<Digest> = [original]
        for (old, new) in changes {
            #expect(Sample.text.contains(old))
            let changed = try load(Sample.text.replacing(old, with: new, maxReplacements: 1)).table.contentHash
            #expect(hashes.insert(changed).inserted, "\(old) to \(new)")
        }
    }

    @Test func onlyEncodedContentCounts() throws {
        let original = try load(Sample.text).table.contentHash
        let same = [
            ("63.0", "63"), ("63.0", "6.3e1"), ("p1", "somebody else"), (" 10:30", ""), ("p3,,m,,2", "p3,,m,,1"),
            ("p6,0,m", "p6,99,f"), ("p4,55,?", "p4,55,x"), ("p6,0,m,2001-01-01,?,test", "p6,0,m,2001-01-01,?,train"),
        ]
        for (old, new) in same {
            #expect(Sample.text.contains(old))
            #expect(try load(Sample.text.replacing(old, with: new)).table.contentHash == original, "\(old) to \(new)")
        }
        let contract = Sample.contract(Sample.number("x", -1...1))
        let negativeZero = try load("x,y\n-0.0,1\n", contract).table
        #expect(try load("x,y\n0,1\n", contract).table.contentHash == negativeZero.contentHash)
    }
}
