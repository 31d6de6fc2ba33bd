# Every check and every test, as CI runs them. Sourced by headgate.sh.

passed=0
failed=0
skipped=0

# step NAME COMMAND...: runs one check that has no test count of its own; it counts as one test.
step() {
    local name="$1"
    shift
    say "$name"
    if "$@"; then
        passed=$((passed + 1))
    else
        printf 'FAILED: %s\n' "$name" >&2
        failed=$((failed + 1))
    fi
}

# cargo_tests ARGS...: runs cargo test and adds its counts to ours.
cargo_tests() {
    local log
    log=$(mktemp)
    if ! cargo test --locked --release "$@" 2>&1 | tee "$log"; then
        grep -q '^test result: FAILED' "$log" || failed=$((failed + 1))
    fi
    local counts
    counts=$(awk '/^test result:/ { p += $4; f += $6; s += $8 } END { print p + 0, f + 0, s + 0 }' "$log")
    rm -f "$log"
    # shellcheck disable=SC2086
    set -- $counts
    passed=$((passed + $1))
    failed=$((failed + $2))
    skipped=$((skipped + $3))
}

run_tests() {
    step "format" cargo fmt --all --check
    step "lints" cargo clippy --locked --release --workspace --all-targets --all-features --quiet -- -D warnings
    say "tests (the slow ones, against real processes, included)"
    # The binary's tests apart: together with the crates' test dependencies, Cargo would give the query engine other
    # features than `./headgate.sh up` does, and compile it a second time.
    HEADGATE_TEST_PYTHON="$venv_dir/bin/python" cargo_tests --package headgate --no-fail-fast -- --include-ignored
    # With the backends' features, so that what needs Kafka or an S3 server runs too.
    cargo_tests --workspace --exclude headgate --no-fail-fast \
        --features headgate-stream/kafka,headgate-stream/testing,headgate-sink/redshift,headgate-sink/s3,headgate-sink/testing -- --include-ignored
    step "compose file" compose -f deploy/compose/compose.yaml config --quiet
    step "the fake of Redshift" "$venv_dir/bin/python" -m unittest discover -s tests/fake-redshift/tests
    step "settings and metrics in deploy/compose" \
        env HEADGATE="$target_dir/release/headgate" "$venv_dir/bin/python" -m unittest discover -s tests/deploy
    step "Airflow's DAGs" timeout 300 "$airflow_python" -m unittest discover -s tests/airflow
    step "docs/capacity.md" "$venv_dir/bin/python" -m unittest discover -s tests/docs
    step "Prometheus' configuration" "$promtool" check config deploy/compose/prometheus.yml
    step "alerts" "$promtool" test rules tests/deploy/alerts_test.yml
    echo
    if [ "$skipped" -gt 0 ]; then
        echo "$passed passed, $failed failed, $skipped skipped"
    else
        echo "$passed passed, $failed failed"
    fi
    [ "$failed" = 0 ]
}
