# Reproduces the figures of docs/performance.md: prints them and writes them into it. Sourced by headgate.sh.
#
# `./headgate.sh bench cluster` measures only what needs Kafka and S3, and leaves the other figures as they are.
#
# `./headgate.sh bench kinesis` measures a gateway that writes to Kinesis, against a fake that keeps nothing and one that does.
#
# `./headgate.sh bench warehouse` measures how fresh the warehouse is, against the fake of Redshift.
#
# `./headgate.sh bench protocols` measures what an event costs the gateway by each protocol, and what it costs to know one that
# comes again.
#
# HEADGATE_BENCH_DIR chooses the disk that the servers' journals are on (else the build's own directory).

# bench_crate CRATE NAME ARGS...: runs one bench of one crate.
bench_crate() {
    local crate="$1" name="$2"
    shift 2
    cargo bench --locked --quiet -p "$crate" --bench "$name" "$@"
}

# bench_servers FIGURES WHAT ARGS...: runs one benchmark of the binary and keeps its figures.
bench_servers() {
    local figures="$1"
    shift
    "$target_dir/release/headgate" bench "$@" --dir "$disk" --json "$bench_dir/$figures.json" >&2
}

# with_servers NAME COMMAND...: runs a command beside a Kafka broker and SeaweedFS of its own, with Headgate's settings for
# them in the environment; they end with it, and so do their data.
with_servers() (
    dir="$disk/$1"
    shift
    trap 'stop_servers "$dir"' EXIT
    tests/services/kafka.sh start "$dir/kafka" 1 >/dev/null
    # Ten minutes of full load need more than the tests do.
    HEADGATE_SEAWEEDFS_VOLUMES=300 tests/services/seaweedfs.sh start "$dir/seaweedfs" >/dev/null
    set -a
    source "$dir/kafka/env"
    source "$dir/seaweedfs/env"
    HEADGATE__STREAM__KIND=kafka
    HEADGATE__KAFKA__BOOTSTRAP_SERVERS="[\"$KAFKA_BOOTSTRAP\"]"
    HEADGATE__KAFKA__TOPICS__REPLICATION_FACTOR=1
    HEADGATE__KAFKA__TOPICS__MIN_INSYNC_REPLICAS=1
    HEADGATE__STORE__KIND=s3
    HEADGATE__S3__BUCKET="$S3_BUCKET"
    HEADGATE__S3__ENDPOINT="$S3_ENDPOINT"
    HEADGATE__S3__PATH_STYLE=true
    set +a
    "$@"
)

stop_servers() {
    tests/services/kafka.sh stop "$1/kafka" || true
    tests/services/seaweedfs.sh stop "$1/seaweedfs" || true
    rm -rf "$1"
}

# topic_bytes EVENTS: what the topic takes on Kafka's disk, an event.
topic_bytes() {
    local bytes
    bytes=$(cat "$dir"/kafka/1/data/events-*/*.log | wc -c)
    jq -n --argjson bytes "$bytes" --argjson events "$1" '{kafka_bytes_per_event: ($bytes / $events)}' >"$bench_dir/topic.json"
}

# Kafka and S3. HEADGATE_BENCH_QUICK=1 makes short runs of it all, to see that it works: their figures say little.
run_cluster_benches() {
    local kafka=() landing=() steady=() restart=() requests=()
    if [ "${HEADGATE_BENCH_QUICK:-}" = 1 ]; then
        kafka=(--rounds 1 --requests 3000 --seconds 5)
        landing=(--rounds 1 --events 300000)
        steady=(--seconds 20 --samples 8)
        restart=(--rounds 1 --commits 300)
        requests=(--commits 70)
    fi
    rm -f "$bench_dir"/records.*
    say "a gateway that writes to Kafka, beside librdkafka alone"
    with_servers kafka bench_servers kafka kafka "${kafka[@]}" --beside "scripts/beside.sh librdkafka '$bench_dir/records.tsv'"
    say "sinks from Kafka to S3, beside decoding and encoding alone"
    with_servers landing bench_landing "${landing[@]}"
    say "memory at full load"
    # Ten minutes of it would fill the disk; the sink keeps up, and the benchmark fails if it does not.
    HEADGATE__KAFKA__TOPICS__PROPERTIES='{"retention.bytes" = "536870912", "segment.bytes" = "67108864"}' \
        with_servers steady bench_servers steady steady "${steady[@]}"
    say "starts over a long commit log"
    with_servers restart bench_servers restart restart "${restart[@]}"
    say "requests to the store"
    with_servers requests bench_servers requests requests "${requests[@]}"
    rm -f "$bench_dir"/records.*
}

bench_landing() {
    bench_servers landing landing "$@" --beside "scripts/beside.sh encode '$bench_dir/records.ndjson'"
    topic_bytes "$(jq '.[0].events' "$bench_dir/landing.json")"
}

# keep_figures JQ...: puts figures of a run among those that docs/capacity.md is computed from.
keep_figures() {
    local kept="$docs/figures/capacity.json"
    mkdir -p "$docs/figures"
    [ -e "$kept" ] || cp docs/figures/capacity.json "$kept"
    jq "$@" "$kept" >"$kept.new" && mv "$kept.new" "$kept"
    python3 scripts/capacity.py "$kept" >"$docs/capacity.md"
}

# shellcheck disable=SC2016
keep_cluster_figures() {
    keep_figures --slurpfile kafka "$bench_dir/kafka.json" --slurpfile landing "$bench_dir/landing.json" \
        --slurpfile topic "$bench_dir/topic.json" --slurpfile requests "$bench_dir/requests.json" '. + {
            gateway_us_per_event: $kafka[0][0].us_per_event,
            sink_us_per_event: $landing[0][0].us_per_event,
            parquet_bytes_per_event: $landing[0][0].bytes_per_event,
            kafka_bytes_per_event: $topic[0].kafka_bytes_per_event,
            requests: $requests[0]
        }'
}

# Of the run with more loads: what a start asks the warehouse counts for less.
# shellcheck disable=SC2016
keep_warehouse_figures() {
    keep_figures --slurpfile runs "$bench_dir/warehouse.json" \
        '. + {warehouse: ($runs[0] | max_by(.loads) | {loads, calls})}'
}

# How long an event takes until the warehouse has it. The fake's own time is in it: see docs/performance.md.
run_warehouse_bench() {
    local seconds=120
    [ "${HEADGATE_BENCH_QUICK:-}" != 1 ] || seconds=15
    say "from acknowledged to queryable in the warehouse"
    with_servers warehouse measure_freshness "$seconds"
}

measure_freshness() {
    tests/services/redshift.sh start "$dir/redshift" "$dir/seaweedfs" >/dev/null
    trap 'tests/services/redshift.sh stop "$dir/redshift" || true; stop_servers "$dir"' EXIT
    set -a
    source "$dir/redshift/env"
    HEADGATE__WAREHOUSE__KIND=redshift
    HEADGATE__WAREHOUSE__IAM_ROLE="$REDSHIFT_IAM_ROLE"
    HEADGATE__WAREHOUSE__DATA_API__WORKGROUP="$REDSHIFT_WORKGROUP"
    HEADGATE__WAREHOUSE__DATA_API__DATABASE="$REDSHIFT_DATABASE"
    HEADGATE__WAREHOUSE__DATA_API__ENDPOINT="$REDSHIFT_ENDPOINT"
    set +a
    "$venv_dir/bin/python" scripts/freshness.py "$target_dir/release/headgate" "$dir/run" "$1" >"$bench_dir/warehouse.json"
}

# A gateway that writes to Kinesis. What takes all of its load keeps nothing; a server that keeps the events is there too.
run_kinesis_bench() (
    local arguments=()
    [ "${HEADGATE_BENCH_QUICK:-}" != 1 ] || arguments=(--rounds 1 --requests 1000)
    say "a gateway that writes to Kinesis, beside the SDK and the hashes alone"
    dir="$disk/kinesis"
    tests/services/kinesis.sh start "$dir" >/dev/null
    # Not before: what another run has started there is not ours to stop.
    trap 'tests/services/kinesis.sh stop "$dir" || true; rm -rf "$dir"' EXIT
    source "$dir/env"
    bench_servers kinesis kinesis "${arguments[@]}" --server "$KINESIS_ENDPOINT" --beside "scripts/beside.sh kinesis"
)

run_benches() {
    bench_dir="$target_dir/bench"
    disk="${HEADGATE_BENCH_DIR:-$bench_dir/disk}"
    mkdir -p "$bench_dir/land" "$disk"
    docs=docs
    if [ "${HEADGATE_BENCH_QUICK:-}" = 1 ]; then
        # These figures are not for the pages.
        docs="$bench_dir/docs"
        mkdir -p "$docs"
        cp docs/performance.md "$docs/"
    fi
    if [ $# = 0 ]; then rm -f "$bench_dir"/*.json "$bench_dir"/land/*; fi
    cp /proc/loadavg "$bench_dir/load"
    # Past 1,024 open files by default; the idle connections need more.
    ulimit -n "$(ulimit -Hn)"

    if [ "${1:-}" = protocols ]; then
        # As the product is built: there is no peer here whose crates would have to be optimised.
        say "each protocol, beside the native one"
        bench_crate headgate-gateway protocols --profile release >"$bench_dir/protocols.md"
        say "events that come again"
        bench_crate headgate-sink dedup --profile release --features headgate-sink/testing >"$bench_dir/dedup.md"
        python3 scripts/performance.py protocols "$bench_dir" "$disk" "$docs/performance.md"
        return
    fi
    if [ "${1:-}" = kinesis ]; then
        build
        run_kinesis_bench
        python3 scripts/performance.py kinesis "$bench_dir" "$disk" "$docs/performance.md"
        return
    fi
    if [ "${1:-}" = warehouse ]; then
        build
        run_warehouse_bench
        python3 scripts/performance.py warehouse "$bench_dir" "$disk" "$docs/performance.md"
        keep_warehouse_figures
        return
    fi
    if [ "${1:-}" = cluster ]; then
        build
        run_cluster_benches
        python3 scripts/performance.py cluster "$bench_dir" "$disk" "$docs/performance.md"
        keep_cluster_figures
        return
    fi
    say "building the benches (the peers' crates are optimised here: several minutes the first time)"
    build
    cargo bench --locked --quiet --no-run -p headgate-schemas -p headgate-stream -p headgate-sink \
        --features headgate-sink/testing --bench validate --bench append --bench land

    say "validation, beside serde_json::Value and jsonschema"
    bench_crate headgate-schemas validate -- --warm-up-time 1 --measurement-time 4 >&2
    say "the journal, beside raw writes"
    HEADGATE_BENCH_SECONDS=1 HEADGATE_BENCH_DIR="$disk" \
        bench_crate headgate-stream append >"$bench_dir/append.md"
    cat "$bench_dir/append.md" >&2
    say "the gateway, beside a bare HTTP server"
    bench_servers gateway gateway
    say "the sink, beside DuckDB"
    "$venv_dir/bin/python" tests/compare/duckdb_sink.py "$bench_dir/land" >&2
    say "1 to 200 schemas"
    bench_servers growth growth
    bench_servers growth-landing growth --landing
    say "two million events"
    bench_servers memory memory
    say "10,000 idle connections"
    bench_servers idle idle
    rm -f "$bench_dir"/land/*.parquet "$bench_dir"/land/*.ndjson

    run_cluster_benches
    run_kinesis_bench
    python3 scripts/performance.py all "$bench_dir" "$target_dir/criterion" "$disk" "$docs/performance.md"
    keep_cluster_figures
}
