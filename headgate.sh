#!/usr/bin/env bash
# The two commands of the README:
#   ./headgate.sh up [options]    installs what is missing, builds, and runs the gateway, the journal and the sink
#   ./headgate.sh test            installs what is missing, and runs every check and test
# and, for work on Headgate:
#   ./headgate.sh build           installs what is missing and builds the release binary
#   ./headgate.sh faults          breaks everything in turn around real servers, and proves what has landed (--stream, --seeds, --seed)
#   ./headgate.sh bench           reproduces the figures of docs/performance.md
#   ./headgate.sh services DIR [redshift|kinesis]    runs Kafka and an S3 server on this machine, their data in DIR, without Docker
# Works on Debian and Ubuntu; elsewhere, install a C compiler, git, curl and Rust yourself first.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
    sed -n '2,10s/^# \{0,1\}//p' "$0"
}

main() {
    local command="${1:-}"
    shift || true
    case "$command" in
        up)
            source scripts/setup.sh
            setup_build
            build
            exec "$target_dir/release/headgate" up "$@"
            ;;
        build)
            source scripts/setup.sh
            setup_build
            build
            ;;
        test)
            source scripts/setup.sh
            setup_build
            setup_test
            source scripts/test.sh
            run_tests "$@"
            ;;
        faults)
            source scripts/setup.sh
            setup_build
            setup_services kinesis redshift
            cargo test --locked --release --package headgate --test faults -- --include-ignored "$@"
            ;;
        bench)
            source scripts/setup.sh
            setup_build
            setup_test
            source scripts/bench.sh
            run_benches "$@"
            ;;
        services)
            [ $# = 1 ] || [ "$*" = "${1:-} redshift" ] || [ "$*" = "${1:-} kinesis" ] || {
                usage
                exit 2
            }
            source scripts/setup.sh
            setup_services "${@:2}"
            exec tests/services/run.sh "$@"
            ;;
        *)
            usage
            [ "$command" = help ] || [ "$command" = --help ] || exit 2
            ;;
    esac
}

main "$@"
