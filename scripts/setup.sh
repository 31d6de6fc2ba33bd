# Installs what a fresh Debian or Ubuntu machine lacks. Sourced by headgate.sh; does nothing twice.

target_dir="${CARGO_TARGET_DIR:-$PWD/target}"
export CARGO_TARGET_DIR="$target_dir"
# Python tools of the tests live beside the build, never in the system.
venv_dir="$target_dir/venv"

say() {
    printf '\033[1m==> %s\033[0m\n' "$*" >&2
}

fail() {
    printf 'headgate.sh: %s\n' "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# install_packages COMMAND:PACKAGE ...: installs the packages whose command is not there.
install_packages() {
    local missing=() pair
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
    done
    [ ${#missing[@]} = 0 ] && return
    command -v apt-get >/dev/null || fail "please install: ${missing[*]}"
    say "installing ${missing[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        ca-certificates "${missing[@]}" >/dev/null
}

# install_headers PACKAGE: installs a package that has no command of its own.
install_headers() {
    command -v apt-get >/dev/null || fail "please install $1, or what your system calls it"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null
}

# The version in rust-toolchain.toml: rustup picks it by itself; without rustup, cargo must be as new.
setup_rust() {
    local wanted
    wanted=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
    [ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
    if ! command -v rustup >/dev/null && ! command -v cargo >/dev/null; then
        say "installing Rust $wanted"
        if apt-cache show rustup >/dev/null 2>&1; then
            install_packages rustup:rustup
        else
            curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs |
                sh -s -- -y --quiet --profile minimal --default-toolchain none
            . "$HOME/.cargo/env"
        fi
    fi
    if command -v rustup >/dev/null && ! rustup toolchain list | grep -q "^$wanted"; then
        rustup toolchain install "$wanted" --profile minimal --component clippy --component rustfmt
    fi
    local have
    have=$(cargo --version | cut -d' ' -f2)
    [ "$(printf '%s\n' "$wanted" "$have" | sort -V | head -1)" = "$wanted" ] ||
        fail "cargo $have is too old: Rust $wanted or later is needed"
}

setup_build() {
    # librdkafka, the Kafka client, is compiled from source: C and a little C++, with TLS from the system's OpenSSL.
    install_packages cc:gcc c++:g++ ld:binutils make:make pkg-config:pkg-config git:git curl:curl
    # gcc and g++ alone have no headers of the C library, and OpenSSL's have no command to look for.
    [ -e /usr/include/stdlib.h ] || install_headers libc6-dev
    pkg-config --exists openssl || install_headers libssl-dev
    setup_rust
}

setup_test() {
    install_packages python3:python3 jq:jq gzip:gzip
    if ! "$venv_dir/bin/python" -c 'import aws_kinesis_agg.deaggregator, boto3, duckdb, grpc, hcl2, moto.server, policy_sentry, psycopg, pyarrow, yaml' 2>/dev/null; then
        say "installing the Python packages of the tests"
        if ! python3 -m venv --clear "$venv_dir" 2>/dev/null; then
            as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
            python3 -m venv --clear "$venv_dir"
        fi
        "$venv_dir/bin/pip" install --quiet --requirement tests/requirements.txt
    fi
    # It reads compose files without Docker. Older ones are named with a hyphen, newer ones are a part of `docker`.
    docker compose version >/dev/null 2>&1 || install_packages docker-compose:docker-compose
    setup_promtool
    setup_airflow
    setup_sdks
    tests/services/install.sh ceph kinesis s3s redshift
}

# Sets `airflow_python`: Airflow pins much, so it has an environment of its own, by its version.
setup_airflow() {
    local wanted folder
    wanted=$(sed -n 's/^apache-airflow==//p' tests/airflow/requirements.txt)
    folder="${XDG_CACHE_HOME:-$HOME/.cache}/headgate/airflow-$wanted"
    airflow_python="$folder/bin/python"
    # Copied as the last step: an installation that was cut off, or is of other versions, is begun anew.
    ! cmp -s tests/airflow/constraints.txt "$folder/constraints.txt" || return 0
    say "installing Airflow $wanted for the tests (about a minute)"
    mkdir -p "${folder%/*}"
    if ! python3 -m venv --clear "$folder" 2>/dev/null; then
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
        python3 -m venv --clear "$folder"
    fi
    "$airflow_python" -m pip install --quiet --disable-pip-version-check \
        --requirement tests/airflow/requirements.txt --constraint tests/airflow/constraints.txt ||
        fail "pip brought no Airflow $wanted: its output above tells why"
    cp tests/airflow/constraints.txt "$folder/constraints.txt"
}

# Sets `sdks_dir`: the SDKs whose events the tests send, and the browser that some of them run in.
setup_sdks() {
    sdks_dir="$target_dir/sdks"
    install_packages node:nodejs npm:npm chromium:chromium chromedriver:chromium-driver
    [ "$(node --version | sed 's/^v//; s/\..*//')" -ge 18 ] || fail "Node.js $(node --version) is too old: 18 or later is needed"
    local wanted
    wanted=$(cat tests/sdks/package-lock.json tests/sdks/requirements.txt | cksum)
    # Written as the last step: an installation that was cut off, or is of other versions, is begun anew.
    [ "$(cat "$sdks_dir/installed" 2>/dev/null)" != "$wanted" ] || return 0
    say "installing the SDKs that the tests send events with"
    rm -rf "$sdks_dir"
    mkdir -p "$sdks_dir"
    cp tests/sdks/package.json tests/sdks/package-lock.json "$sdks_dir"
    npm ci --prefix "$sdks_dir" --ignore-scripts --no-audit --no-fund --silent >&2 ||
        fail "npm brought not all packages of tests/sdks/package.json: its output above tells why"
    # Apart from the tests' own packages: those need other versions of what these need.
    python3 -m venv "$sdks_dir/venv"
    "$sdks_dir/venv/bin/pip" install --quiet --disable-pip-version-check --requirement tests/sdks/requirements.txt ||
        fail "pip brought not all packages of tests/sdks/requirements.txt: its output above tells why"
    echo "$wanted" >"$sdks_dir/installed"
}

# Sets `promtool`. Debian packs it with the server, whose installation would start it: only the tool is unpacked.
setup_promtool() {
    promtool=$(command -v promtool || true)
    [ -z "$promtool" ] || return 0
    promtool="${XDG_CACHE_HOME:-$HOME/.cache}/headgate/promtool"
    [ ! -x "$promtool" ] || return 0
    command -v apt-get >/dev/null || fail "please install promtool, which comes with Prometheus"
    say "unpacking promtool"
    local folder
    folder=$(mktemp -d)
    as_root apt-get update -qq
    (cd "$folder" && apt-get download -qq prometheus 2>/dev/null && dpkg-deb -x prometheus_*.deb .) ||
        fail "cannot get the package prometheus, which has promtool"
    mkdir -p "${promtool%/*}"
    mv "$folder/usr/bin/promtool" "$promtool"
    rm -rf "$folder"
}

# compose ARGS...: Docker Compose, whichever is there.
compose() {
    if docker compose version >/dev/null 2>&1; then docker compose "$@"; else docker-compose "$@"; fi
}

# The servers that `./headgate.sh services` runs.
setup_services() {
    tests/services/install.sh "$@"
}

build() {
    if [ ! -x "$target_dir/release/headgate" ]; then
        say "building (the first build takes several minutes)"
    fi
    cargo build --release --locked --quiet
}
