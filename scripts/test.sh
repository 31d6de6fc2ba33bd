# Every check and every test, as CI runs them. Sourced by headgate.sh.

passed=0
failed=0
skipped=0

# Of the fault suite's seeds over Kinesis so many are run, the first ones.
kinesis_seeds=3

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

# build_tests LIST ARGS...: builds the tests of these packages, and writes to LIST what runs them, as Cargo would: the
# directory and the executable, a line each.
build_tests() {
    local list="$1"
    shift
    # shellcheck disable=SC2016
    cargo test --locked --release --no-run --message-format=json-render-diagnostics "$@" |
        jq -r 'select(.reason == "compiler-artifact" and .profile.test and .executable)
            | (.manifest_path | rtrimstr("/Cargo.toml")) + "\t" + .executable' >"$list.new" && mv "$list.new" "$list"
}

# run_built LIST: runs them all, and adds their counts to ours.
run_built() {
    local folder executable
    if [ ! -s "$1" ]; then
        printf 'FAILED: the tests could not be built\n' >&2
        failed=$((failed + 1))
        return
    fi
    while IFS=$'\t' read -r folder executable; do
        case "${executable##*/}" in
            faults-*)
                run_executable "$folder" "$executable" --stream kafka
                run_executable "$folder" "$executable" --stream kinesis --seeds "$kinesis_seeds" --busy
                ;;
            *) run_executable "$folder" "$executable" ;;
        esac
    done <"$1"
}

# run_executable FOLDER EXECUTABLE ARGS...: runs one of them.
run_executable() {
    local log folder="$1" executable="$2"
    shift 2
    log=$(mktemp)
    say "${executable##*/}${*:+ $*}"
    if ! (cd "$folder" && "$executable" --include-ignored "$@" </dev/null) 2>&1 | tee "$log"; then
        grep -q '^test result: FAILED' "$log" || failed=$((failed + 1))
    fi
    add_counts "$log"
    rm -f "$log"
}

# add_counts LOG: adds the counts of the harness's last lines.
add_counts() {
    local counts
    counts=$(awk '/^test result:/ { p += $4; f += $6; s += $8 } END { print p + 0, f + 0, s + 0 }' "$1")
    # shellcheck disable=SC2086
    set -- $counts
    passed=$((passed + $1))
    failed=$((failed + $2))
    skipped=$((skipped + $3))
}

# What can be done while the binary's tests run, which wait more than they work: the lints, and building the crates' tests.
# With the backends' features, so that what needs Kafka, Kinesis, an S3 server or a warehouse runs too.
beside_tests() {
    nice -n 19 cargo clippy --locked --release --workspace --all-targets --all-features --quiet -- -D warnings &&
        touch "$lists/linted"
    nice -n 19 cargo test --locked --release --no-run --quiet --workspace --exclude headgate --features "$features" &&
        build_tests "$lists/crates" --workspace --exclude headgate --features "$features"
}

run_tests() {
    local features=headgate-stream/kafka,headgate-stream/kinesis,headgate-stream/testing,headgate-sink/redshift,headgate-sink/s3,headgate-sink/testing
    local lists beside
    lists=$(mktemp -d)
    export HEADGATE_TEST_PYTHON="$venv_dir/bin/python"
    step "format" cargo fmt --all --check
    say "building the tests"
    # The binary's tests apart: together with the crates' test dependencies, Cargo would give the query engine other
    # features than `./headgate.sh up` does, and compile it a second time.
    build_tests "$lists/binary" --package headgate || true
    beside_tests >"$lists/beside.log" 2>&1 &
    beside=$!
    say "tests of the binary (the slow ones, against real processes, included)"
    # They wait for servers most of the time: more of them at once than there are processors.
    RUST_TEST_THREADS=4 run_built "$lists/binary"
    say "waiting for the lints and the crates' tests to be built"
    wait "$beside" || true
    cat "$lists/beside.log"
    step "lints" test -e "$lists/linted"
    say "tests of the crates"
    run_built "$lists/crates"
    rm -rf "$lists"
    step "compose file" compose -f deploy/compose/compose.yaml config --quiet
    step "the fake of Redshift" "$venv_dir/bin/python" -m unittest discover -s tests/fake-redshift/tests
    step "settings and metrics in deploy/compose" \
        env HEADGATE="$target_dir/release/headgate" "$venv_dir/bin/python" -m unittest discover -s tests/deploy
    step "SDKs: what they were given is what lands" \
        env HEADGATE="$target_dir/release/headgate" HEADGATE_SDKS="$sdks_dir" \
        timeout 900 "$sdks_dir/venv/bin/python" -m unittest discover -s tests/sdks
    step "Airflow's DAGs" timeout 300 "$airflow_python" -m unittest discover -s tests/airflow
    step "the Terraform module" \
        env HEADGATE="$target_dir/release/headgate" "$venv_dir/bin/python" -m unittest discover -s tests/terraform
    if ! command -v terraform >/dev/null; then
        say "without terraform, only the text of the Terraform module was checked"
        skipped=$((skipped + 1))
    fi
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
