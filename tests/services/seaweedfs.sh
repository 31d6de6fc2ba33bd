#!/usr/bin/env bash
# SeaweedFS as an S3 server, on free ports of 127.0.0.1, with one bucket:
#   seaweedfs.sh start DIR    returns when the bucket takes objects; writes DIR/env and prints it
#   seaweedfs.sh stop DIR     leaves the data, which the next start finds again
#   seaweedfs.sh env DIR      prints DIR/env
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

# Its gRPC servers listen that far above each port.
grpc_offset=10000

start() {
    local dir="$1"
    [ -x "$weed_binary" ] || fail "SeaweedFS is missing: run tests/services/install.sh"
    need curl "please install curl"
    begin "$dir"
    mkdir -p "$dir/data"
    choose_ports "$dir" 4 "$grpc_offset"
    write_credentials >"$dir/s3.json"
    # Without a key of its own for encryption it logs an error at each start; any 32 bytes do.
    WEED_S3_SSE_KEK=$(printf '5%.0s' {1..64}) daemon "$dir" weed "$weed_binary" -logtostderr=true server \
        -dir="$dir/data" -ip=127.0.0.1 -ip.bind=127.0.0.1 \
        -master.port="${ports[0]}" -master.peers=none -master.volumeSizeLimitMB=64 -master.telemetry=false \
        -volume.port="${ports[1]}" -volume.max="${HEADGATE_SEAWEEDFS_VOLUMES:-50}" -volume.preStopSeconds=0 \
        -filer.port="${ports[2]}" -filer.localSocket="$dir/filer.sock" \
        -s3 -s3.port="${ports[3]}" -s3.localSocket="$dir/s3.sock" -s3.config="$dir/s3.json" \
        -s3.autoCreateBucket=false -s3.port.iceberg=0 -s3.port.lance=0
    local endpoint="http://127.0.0.1:${ports[3]}"
    wait_until "$dir" 60 "SeaweedFS takes objects" bucket_made "$endpoint"
    ready "$dir" "$(s3_env "$endpoint")"
}

write_credentials() {
    cat <<JSON
{"identities": [{
    "name": "headgate",
    "credentials": [{"accessKey": "$access_key", "secretKey": "$secret_key"}],
    "actions": ["Admin", "Read", "Write", "List", "Tagging"]
}]}
JSON
}

stop() {
    local dir="$1" port
    # Asked to end, it waits a quarter of a minute for connections of its own. What it has answered is in files by then.
    stop_all "$dir" 1
    # Its sockets of that kind cannot be put elsewhere, and it leaves them.
    [ ! -e "$dir/ports" ] || while read -r port; do
        rm -f /tmp/seaweedfs-{master,volume,filer,s3}-grpc-"$((port + grpc_offset))".sock
    done <"$dir/ports"
}

main() {
    local dir
    dir=$(absolute "$2")
    case "$1" in
        start) start "$dir" ;;
        stop) stop "$dir" ;;
        env) print_env "$dir" ;;
        *) usage ;;
    esac
}

[ $# = 2 ] || usage
main "$@"
