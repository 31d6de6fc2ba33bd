#!/usr/bin/env bash
# A server that speaks Amazon Kinesis' protocol, on free ports of 127.0.0.1, its data in memory:
#   kinesis.sh start DIR [kinesalite]    kinesis-local, or kinesalite; returns when a stream can be made; writes DIR/env
#                                        and prints it
#   kinesis.sh stop DIR                  its data is gone with it
#   kinesis.sh env DIR                   prints DIR/env
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

start() {
    local dir="$1" kind="$2"
    [ -d "$kinesis_modules" ] || fail "the servers of Kinesis are missing: run tests/services/install.sh kinesis"
    need node "please install nodejs"
    need curl "please install curl"
    begin "$dir"
    choose_ports "$dir" 2
    "start_$kind" "$dir"
    local endpoint="http://127.0.0.1:${ports[0]}"
    wait_until "$dir" 60 "$kind answers" answers "$endpoint"
    ready "$dir" "$(settings "$endpoint")"
}

# Streams are made, split and deleted at once, but still pass through the states that they have at Amazon.
start_local() {
    local moment=100ms
    KINESIS_MOCK_PLAIN_PORT="${ports[0]}" KINESIS_MOCK_TLS_PORT="${ports[1]}" AWS_REGION="$region" LOG_LEVEL=WARN \
        KINESIS_MOCK_CERT_PATH="$kinesis_modules/kinesis-local/server.json" SHARD_LIMIT=10000 \
        ON_DEMAND_STREAM_COUNT_LIMIT=1000 CREATE_STREAM_DURATION=$moment DELETE_STREAM_DURATION=$moment \
        MERGE_SHARDS_DURATION=$moment SPLIT_SHARD_DURATION=$moment UPDATE_SHARD_COUNT_DURATION=$moment \
        UPDATE_STREAM_MODE_DURATION=$moment \
        daemon "$1" local node --require "$services_source/kinesis/loopback.cjs" "$kinesis_modules/kinesis-local/main.js"
}

start_kinesalite() {
    daemon "$1" kinesalite node --require "$services_source/kinesis/loopback.cjs" "$kinesis_modules/kinesalite/cli.js" \
        --port "${ports[0]}" --shardLimit 10000 --createStreamMs 100 --deleteStreamMs 100 --updateStreamMs 100
}

# Neither checks signatures, but both want one.
answers() {
    curl --silent --fail --max-time 5 --output /dev/null --aws-sigv4 "aws:amz:$region:kinesis" \
        --user "$access_key:$secret_key" --header 'Content-Type: application/x-amz-json-1.1' \
        --header 'X-Amz-Target: Kinesis_20131202.ListStreams' --data '{}' "$1"
}

settings() {
    cat <<ENV
KINESIS_ENDPOINT=$1
AWS_ACCESS_KEY_ID=$access_key
AWS_SECRET_ACCESS_KEY=$secret_key
AWS_REGION=$region
ENV
}

stop() {
    stop_all "$1" 5
}

main() {
    local dir
    dir=$(absolute "$2")
    case "$1 ${3:-}" in
        "start ") start "$dir" local ;;
        "start kinesalite") start "$dir" kinesalite ;;
        "stop ") stop "$dir" ;;
        "env ") print_env "$dir" ;;
        *) usage ;;
    esac
}

[ $# = 2 ] || [ $# = 3 ] || usage
main "$@"
