// SPDX-License-Identifier: Apache-2.0
// `consilium-aggregator --check`: everything the daemon needs, looked at before it is started.

import Enrolment
import Federation
import Glibc
import PeerTransport
import Store
package import StudyFiles

extension AggregatorDaemon {
    /// Looks at keys and state directory; listens to nobody and changes nothing.
    package static func dryStart(_ configuration: AggregatorConfiguration) -> [StartCheck] {
        [
            StartCheck("certificate and key") { try identity(of: configuration) },
            StartCheck("state directory") { try state(of: configuration) },
        ]
    }

    private static func identity(of configuration: AggregatorConfiguration) throws -> StartCheck.Outcome {
        let files = configuration.tls
        let now = Int64(time(nil))
        let keys = configuration.keysDirectory
        if configuration.members == nil {
            guard access("\(keys)/descriptor.bin", F_OK) == 0 else {
                return .failed(
                    "there is no federation in \(keys)\n"
                        + "hint: make it with `consilium federation init`, or list members of another authority")
            }
            let folder = try AuthorityFolder(keys)
            guard folder.descriptor.federation == configuration.federation else {
                return .failed(
                    "the keys in \(keys) are of another federation\nhint: correct `federation` or `keysDirectory`")
            }
            guard folder.issuingEnd >= now + 30 * 86_400 else {
                return .doubtful("the issuing certificate ends within 30 days\nhint: renew it with the root's key")
            }
            guard folder.ownRenewalTime > now else {
                return .fine("the server's certificate is made at the start")
            }
        }
        let identity = try TLSIdentity(
            certificateChainPath: files.certificate, privateKeyPath: files.privateKey, trustRootsPath: files.authority
        ).examine()
        guard identity.role == .aggregator, identity.consortium == configuration.federation else {
            return .failed(
                "\(files.certificate) is not the certificate of the aggregator of \(configuration.federation)\n"
                    + "hint: correct `federation` or `tls.certificate`")
        }
        return StartCheck.certificate(
            expiry: identity.notAfter ?? 0, now: now, renewsItself: configuration.members == nil)
    }

    private static func state(of configuration: AggregatorConfiguration) throws -> StartCheck.Outcome {
        let path = configuration.stateDirectory
        // `sockaddr_un` holds 107 bytes and a zero.
        guard "\(path)/control.sock".utf8.count <= 107 else {
            return .failed("the path \(path) is too long for a socket in it\nhint: name a folder with a shorter path")
        }
        let detail =
            switch try AggregatorStore.examine(directory: path) {
            case .absent: "\(path) is made at the first start"
            case .current: path
            case .older: "\(path) is brought up to date at the next start; back it up first"
            }
        return .fine(detail)
    }
}
