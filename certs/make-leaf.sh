#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes one party's key and short-lived certificate, signed by the development authority in the same folder.
#
# Usage: [DAYS=7] certs/make-leaf.sh DIR NAME ROLE [DNS…]
#   NAME  lower-case letters, digits and hyphens, such as cleveland
#   ROLE  site, aggregator, operator or auditor
#   DNS   host names beside localhost under which the party is reached
# Writes DIR/NAME.pem (leaf, then authority) and DIR/NAME.key (PKCS#8, 0600); refuses to overwrite either.
set -euo pipefail
umask 077
export LC_ALL=C

fail() {
    printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
    exit "$3"
}

usage='[DAYS=7] certs/make-leaf.sh DIR NAME ROLE [DNS…]'
[[ $# -ge 3 && -n $1 ]] || fail "a folder, a name and a role are needed" "$usage" 2
folder=$1 name=$2 role=$3 days=${DAYS:-7}
shift 3
profiles=$(cd "$(dirname "${BASH_SOURCE[0]}")/profiles" && pwd)

[[ $name =~ ^[a-z0-9][a-z0-9-]{0,62}$ && $name != authority ]] ||
    fail "the name '$name' is not allowed" "use lower-case letters, digits and hyphens; 'authority' is taken" 2
[[ $role =~ ^(site|aggregator|operator|auditor)$ ]] ||
    fail "the role '$role' is not known" "use site, aggregator, operator or auditor" 2
[[ $days =~ ^[1-9][0-9]{0,2}$ ]] || fail "DAYS is '$days'" "use a whole number from 1 to 999" 2
alternatives="URI:fl://demo/$role/$name,DNS:localhost,IP:127.0.0.1"
for host in "$@"; do
    [[ $host =~ ^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$ ]] ||
        fail "'$host' is not a host name" "give DNS names such as site.example.org; no wildcards" 2
    alternatives+=",DNS:$host"
done

[[ $(openssl version 2>/dev/null) =~ ^OpenSSL\ ([3-9]|[1-9][0-9]) ]] ||
    fail "OpenSSL 3.0 or newer is needed" "install the openssl package of your system" 3
[[ -r $folder/authority.pem && -r $folder/authority.key ]] ||
    fail "no authority in $folder" "run certs/make-authority.sh $folder first" 3
for file in "$name.pem" "$name.key"; do
    [[ ! -e $folder/$file ]] || fail "$folder/$file exists" "remove it first if it is to be replaced" 3
done

work=$(mktemp -d "$folder/.$name.XXXXXX")
trap 'rm -rf "$work"' EXIT
export CONSILIUM_LEAF_NAME=$name CONSILIUM_LEAF_ALTERNATIVE_NAMES=$alternatives

openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/$name.key"
openssl req -new -sha256 -config "$profiles/leaf.cnf" -key "$work/$name.key" -out "$work/request.pem"
# A random serial number (RFC 5280 §4.1.2.2: positive, at most 20 bytes); 01 in front keeps the sign bit clear.
openssl x509 -req -sha256 -days "$days" -in "$work/request.pem" -out "$work/leaf.pem" \
    -set_serial "0x01$(openssl rand -hex 16)" -extfile "$profiles/leaf.cnf" -extensions leaf \
    -CA "$folder/authority.pem" -CAkey "$folder/authority.key" 2>/dev/null ||
    fail "the certificate of $name could not be signed" "check $folder/authority.key" 3
openssl verify -x509_strict -CAfile "$folder/authority.pem" "$work/leaf.pem" >/dev/null ||
    fail "the certificate of $name does not verify" "$folder/authority.pem and authority.key may not belong together" 3
cat "$work/leaf.pem" "$folder/authority.pem" >"$work/$name.pem"

mv -n "$work/$name.key" "$work/$name.pem" "$folder/"
chmod 0644 "$folder/$name.pem"
echo "$folder/$name.pem: $role, valid until $(openssl x509 -in "$folder/$name.pem" -noout -enddate | cut -d= -f2)"
