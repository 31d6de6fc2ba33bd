#!/usr/bin/env bash
# s3s-fs on a free port of 127.0.0.1, with one bucket: an S3 server whose conditional puts are not atomic, which
# Headgate has to find out and refuse:
#   s3s.sh start DIR     returns when the bucket takes objects; writes DIR/env and prints it
#   s3s.sh stop DIR      leaves the data, which the next start finds again
#   s3s.sh env DIR       prints DIR/env
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

start() {
    local dir="$1"
    [ -x "$s3s_binary" ] || fail "s3s-fs is missing: run tests/services/install.sh s3s"
    need curl "please install curl"
    begin "$dir"
    mkdir -p "$dir/data"
    choose_ports "$dir" 1
    daemon "$dir" s3s "$s3s_binary" --host 127.0.0.1 --port "${ports[0]}" \
        --access-key "$access_key" --secret-key "$secret_key" "$dir/data"
    wait_until "$dir" 30 "s3s-fs takes objects" bucket_made "http://127.0.0.1:${ports[0]}"
    ready "$dir" "$(s3_env "http://127.0.0.1:${ports[0]}")"
}

stop() {
    stop_all "$1" 2
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
