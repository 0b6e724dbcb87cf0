#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes a development authority: a P-256 root certificate, valid for ten years, and its key.
#
# Usage: certs/make-authority.sh DIR
# Writes DIR/authority.pem and DIR/authority.key (0600); refuses to overwrite either.
set -euo pipefail
umask 077
export LC_ALL=C

fail() {
    printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
    exit "$3"
}

[[ $# -eq 1 && -n $1 ]] || fail "one folder is needed" "certs/make-authority.sh DIR" 2
folder=$1
profiles=$(cd "$(dirname "${BASH_SOURCE[0]}")/profiles" && pwd)

[[ $(openssl version 2>/dev/null) =~ ^OpenSSL\ ([3-9]|[1-9][0-9]) ]] ||
    fail "OpenSSL 3.0 or newer is needed" "install the openssl package of your system" 3

mkdir -p "$folder"
for file in authority.pem authority.key; do
    [[ ! -e $folder/$file ]] || fail "$folder/$file exists" "choose another folder; an authority is never replaced" 3
done

work=$(mktemp -d "$folder/.authority.XXXXXX")
trap 'rm -rf "$work"' EXIT

openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/authority.key"
openssl req -x509 -new -sha256 -days 3653 -config "$profiles/authority.cnf" \
    -key "$work/authority.key" -out "$work/authority.pem"

mv -n "$work/authority.key" "$work/authority.pem" "$folder/"
chmod 0644 "$folder/authority.pem"
echo "$folder/authority.pem: valid until $(openssl x509 -in "$folder/authority.pem" -noout -enddate | cut -d= -f2)"
