# Reproduces the figures of docs/performance.md: prints them and writes them into it. Sourced by headgate.sh.
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

run_benches() {
    bench_dir="$target_dir/bench"
    disk="${HEADGATE_BENCH_DIR:-$bench_dir/disk}"
    mkdir -p "$bench_dir/land" "$disk"
    rm -f "$bench_dir"/*.json "$bench_dir"/land/*
    cp /proc/loadavg "$bench_dir/load"
    # Past 1,024 open files by default; the idle connections need more.
    ulimit -n "$(ulimit -Hn)"

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

    python3 scripts/performance.py "$bench_dir" "$target_dir/criterion" "$disk" docs/performance.md
}
