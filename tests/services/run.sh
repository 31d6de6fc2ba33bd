#!/usr/bin/env bash
# Kafka and SeaweedFS for trying Headgate without Docker, and the tests' fake of Redshift or a server that speaks Kinesis'
# protocol if asked for:
#   run.sh DIR [redshift|kinesis]    starts them, prints their settings, and stops them on Ctrl-C or TERM; their data stays in DIR
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

main() {
    local dir
    dir=$(absolute "$1")
    trap 'stop_servers "$dir"' EXIT
    trap 'exit 0' INT TERM
    "$services_source/kafka.sh" start "$dir/kafka" 1 >/dev/null
    "$services_source/seaweedfs.sh" start "$dir/seaweedfs" >/dev/null
    echo "# One Kafka broker, and SeaweedFS as the S3 server with the bucket \"$bucket\":"
    cat "$dir/kafka/env" "$dir/seaweedfs/env"
    if [ "${2:-}" = redshift ]; then
        "$services_source/redshift.sh" start "$dir/redshift" "$dir/seaweedfs" >/dev/null
        echo "# A fake of Redshift that reads from that bucket:"
        cat "$dir/redshift/env"
    fi
    if [ "${2:-}" = kinesis ]; then
        "$services_source/kinesis.sh" start "$dir/kinesis" >/dev/null
        echo "# A server that speaks Kinesis' protocol, its data in memory:"
        cat "$dir/kinesis/env"
    fi
    echo "# Ctrl-C stops them; the next start in $dir finds their data again."
    while running "$dir/kafka" broker-1 && running "$dir/seaweedfs" weed; do
        # In the background, so that a signal is heard at once.
        sleep 1 &
        wait $!
    done
    fail "a server has ended by itself: its log is in $dir"
}

# shellcheck disable=SC2317
stop_servers() {
    [ ! -d "$1/redshift" ] || "$services_source/redshift.sh" stop "$1/redshift" || true
    [ ! -d "$1/kinesis" ] || "$services_source/kinesis.sh" stop "$1/kinesis" || true
    "$services_source/kafka.sh" stop "$1/kafka" || true
    "$services_source/seaweedfs.sh" stop "$1/seaweedfs" || true
}

[ $# = 1 ] || [ "$*" = "$1 redshift" ] || [ "$*" = "$1 kinesis" ] || usage
main "$@"
