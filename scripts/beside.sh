#!/usr/bin/env bash
# What `headgate bench --beside` runs in turn with a gateway or a sink, on the very records that the topic holds; the last
# line it prints has the figures:
#   beside.sh librdkafka FILE    sends them with librdkafka alone, and with Headgate's writer alone
#   beside.sh kinesis            Headgate's writer alone, Amazon's SDK alone, and the hashes alone, on events that are as large
#   beside.sh encode FILE        decodes and encodes them with the sink's code alone, on one thread
# FILE keeps the records that the first round took from the topic. KAFKA_BOOTSTRAP names the brokers, KINESIS_ENDPOINT the server.
set -euo pipefail
cd "$(dirname "$0")/.."

# As released, not optimised throughout as other benches are: the very code that the gateway and the sink run.
bench() {
    cargo bench --locked --quiet --profile release "$@"
}

# records FILE COUNT FORMAT: keeps so many records of the topic.
records() {
    [ -s "$1" ] || kcat -C -q -e -b "$KAFKA_BOOTSTRAP" -t events -o beginning -c "$2" -f "$3" >"$1"
}

case "${1:-}" in
    librdkafka)
        records "$2" 20000 '%k\t%s\n'
        HEADGATE_BENCH_RECORDS="$2" HEADGATE_BENCH_ROUNDS=1 \
            bench -p headgate-stream --features kafka --bench kafka
        ;;
    kinesis)
        HEADGATE_BENCH_ROUNDS=1 bench -p headgate-stream --features kinesis,testing --bench kinesis
        ;;
    encode)
        records "$2" 200000 '%s\n'
        HEADGATE_BENCH_RECORDS="$2" HEADGATE_BENCH_SCHEMAS="$PWD/loadtest/bench" HEADGATE_BENCH_ROUNDS=1 \
            bench -p headgate-sink --features testing --bench land
        ;;
    *)
        sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac
