#!/usr/bin/env bash
# The fake of Amazon Redshift (tests/fake-redshift) and the PostgreSQL behind it, on free ports of 127.0.0.1:
#   redshift.sh start DIR S3_DIR    COPY reads from the S3 server that was started in S3_DIR; returns when both the Data
#                                   API and the PostgreSQL protocol answer; writes DIR/env and prints it
#   redshift.sh stop DIR            leaves the data, which the next start finds again
#   redshift.sh env DIR             prints DIR/env
# HEADGATE_REDSHIFT_OPTIONS are further options of the fake, such as "--isolation serializable --accept-zstd".
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

# Of a server that nobody but tests on this machine reaches.
database=dev
user=headgate
password=Headgate-1
workgroup=headgate-workgroup
cluster=headgate-cluster
role=arn:aws:iam::123456789012:role/headgate-copy
secret=arn:aws:secretsmanager:us-east-1:123456789012:secret:headgate-AbCdEf

start() {
    local dir="$1" s3_dir="$2" bin
    [ -x "$redshift_python" ] || fail "the fake's Python packages are missing: run tests/services/install.sh redshift"
    bin=$(postgres_bin) || fail "PostgreSQL is missing: run tests/services/install.sh redshift"
    [ -e "$s3_dir/env" ] || fail "no S3 server was started in $s3_dir"
    # shellcheck disable=SC1091
    source "$s3_dir/env"
    begin "$dir"
    choose_ports "$dir" 3
    as_user=()
    # PostgreSQL refuses to be root's. It keeps root's way through directories that are closed to others.
    [ "$(id -u)" != 0 ] || as_user=(setpriv --reuid=nobody --regid=nogroup --clear-groups
        --inh-caps=+dac_override --ambient-caps=+dac_override)
    initialise "$dir" "$bin"
    start_postgres "$dir" "$bin"
    wait_until "$dir" 60 "PostgreSQL answers" accepts "$bin" "${ports[0]}"
    start_fake "$dir"
    wait_until "$dir" 60 "the fake answers" grep -qx ready "$dir/fake.log"
    ready "$dir" "$(settings)"
}

initialise() {
    local dir="$1" bin="$2"
    [ ! -e "$dir/data/PG_VERSION" ] || return 0
    rm -rf "$dir/data"
    mkdir -m 700 "$dir/data"
    [ "$(id -u)" != 0 ] || chown nobody:nogroup "$dir/data"
    # Redshift compares strings byte by byte.
    (cd / && "${as_user[@]}" "$bin/initdb" --pgdata="$dir/data" --username="$user" --auth=trust --encoding=UTF8 \
        --locale=C --no-sync) >"$dir/initdb.log" 2>&1 || give_up "$dir" "initdb failed"
}

start_postgres() {
    local dir="$1" bin="$2"
    # Nothing needs to outlive the machine, and a deadlock should be found soon.
    daemon "$dir" postgres "${as_user[@]}" "$bin/postgres" -D "$dir/data" -p "${ports[0]}" \
        -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c full_page_writes=off \
        -c synchronous_commit=off -c wal_level=minimal -c max_wal_senders=0 -c max_connections=300 \
        -c shared_buffers=64MB -c deadlock_timeout=200ms -c autovacuum=off -c jit=off
}

accepts() {
    "$1/pg_isready" --quiet --host=127.0.0.1 --port="$2" --timeout=5
}

start_fake() {
    local dir="$1"
    # shellcheck disable=SC2086
    PYTHONPATH="$services_source/../fake-redshift" PYTHONDONTWRITEBYTECODE=1 \
        daemon "$dir" fake "$redshift_python" -m fake_redshift \
        --dsn "postgresql://$user@127.0.0.1:${ports[0]}/postgres" --api-port "${ports[1]}" --wire-port "${ports[2]}" \
        --s3-endpoint "$S3_ENDPOINT" --access-key "$AWS_ACCESS_KEY_ID" --secret-key "$AWS_SECRET_ACCESS_KEY" \
        --region "$AWS_REGION" --database "$database" --user "$user" --password "$password" \
        --workgroup "$workgroup" --cluster "$cluster" --iam-role "$role" --secret-arn "$secret" \
        ${HEADGATE_REDSHIFT_OPTIONS:-}
}

settings() {
    cat <<ENV
REDSHIFT_ENDPOINT=http://127.0.0.1:${ports[1]}
REDSHIFT_HOST=127.0.0.1
REDSHIFT_PORT=${ports[2]}
REDSHIFT_USER=$user
REDSHIFT_PASSWORD=$password
REDSHIFT_DATABASE=$database
REDSHIFT_WORKGROUP=$workgroup
REDSHIFT_CLUSTER=$cluster
REDSHIFT_IAM_ROLE=$role
REDSHIFT_SECRET_ARN=$secret
REDSHIFT_DIRECT=postgres://$user@127.0.0.1:${ports[0]}/$database
ENV
}

stop() {
    local dir="$1"
    # PostgreSQL waits for its sessions when it is asked to end; INT ends them.
    signal "$dir" postgres INT || true
    stop_all "$dir" 10
}

main() {
    local dir
    dir=$(absolute "$2")
    case "$1" in
        start)
            [ $# = 3 ] || usage
            start "$dir" "$(absolute "$3")"
            ;;
        stop) stop "$dir" ;;
        env) print_env "$dir" ;;
        *) usage ;;
    esac
}

[ $# -ge 2 ] || usage
main "$@"
