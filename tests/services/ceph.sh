#!/usr/bin/env bash
# Ceph's object gateway as an S3 server, in front of one monitor and one store in memory, on free ports of 127.0.0.1,
# with one bucket:
#   ceph.sh start DIR     begins with an empty bucket; returns when it takes objects; writes DIR/env and prints it
#   ceph.sh stop DIR
#   ceph.sh env DIR       prints DIR/env
# It refuses checksums in trailers: clients must be set to send them only where an operation requires one.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

# The store takes several ports from a range that starts at the one given; this is the range's length.
store_ports=99

start() {
    local dir="$1" command
    for command in ceph-mon ceph-osd radosgw ceph; do need "$command" "run tests/services/install.sh ceph"; done
    need curl "please install curl"
    begin "$dir"
    rm -rf "$dir"/{mon,osd,rgw,crash,keyring,monmap}
    mkdir -p "$dir"/{mon,osd,rgw,crash}
    choose_ports "$dir" 4 "$store_ports"
    id=$(cat /proc/sys/kernel/random/uuid)
    monitor="[v2:127.0.0.1:${ports[0]},v1:127.0.0.1:${ports[1]}]"
    endpoint="http://127.0.0.1:${ports[2]}"
    configuration "$dir" >"$dir/ceph.conf"
    export CEPH_CONF="$dir/ceph.conf"

    start_monitor "$dir"
    start_store "$dir"
    daemon "$dir" rgw radosgw -f -n client.rgw --rgw_frontends="beast endpoint=${endpoint#http://}"
    wait_until "$dir" 90 "the gateway answers" answers "$endpoint"
    once "$dir" radosgw-admin user create --uid=headgate --display-name=headgate \
        --access-key="$access_key" --secret-key="$secret_key"
    wait_until "$dir" 30 "the gateway takes objects" bucket_made "$endpoint"
    ready "$dir" "$(s3_env "$endpoint")"
}

configuration() {
    local dir="$1" first="${ports[3]}"
    cat <<CONF
[global]
fsid=$id
mon_host=$monitor
mon_initial_members=a
public_network=127.0.0.0/8
cluster_network=127.0.0.0/8
ms_bind_port_min=$first
ms_bind_port_max=$((first + store_ports))
keyring=$dir/keyring
mon_data=$dir/mon
osd_data=$dir/osd
rgw_data=$dir/rgw
crash_dir=$dir/crash
run_dir=$dir
# Logs go to standard error, and nothing asks over these sockets, whose paths may be only 107 bytes long.
log_file=
admin_socket=

# One copy of everything, in memory.
osd_objectstore=memstore
memstore_device_bytes=1073741824
osd_crush_chooseleaf_type=0
osd_pool_default_size=1
osd_pool_default_min_size=1
osd_pool_default_pg_num=8
osd_pool_default_pg_autoscale_mode=off
mon_allow_pool_size_one=true

# The monitor collects changes for a second before it makes them; the gateway's start is a dozen, one after the other.
paxos_propose_interval=0.02
paxos_min_wait=0.01
mon_tick_interval=1
CONF
}

# once DIR COMMAND...: a command of Ceph's that must end soon; its output goes to a log.
once() {
    local dir="$1"
    shift
    timeout 60 "$@" </dev/null >>"$dir/setup.log" 2>&1 || give_up "$dir" "this failed: $*"
}

start_monitor() {
    local dir="$1" name
    once "$dir" ceph-authtool --create-keyring "$dir/keyring" --gen-key -n mon. --cap mon 'allow *'
    for name in client.admin client.rgw osd.0; do
        once "$dir" ceph-authtool "$dir/keyring" --gen-key -n "$name" \
            --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
    done
    once "$dir" monmaptool --create --fsid "$id" --addv a "$monitor" "$dir/monmap"
    once "$dir" ceph-mon --mkfs -i a --monmap "$dir/monmap" --keyring "$dir/keyring"
    daemon "$dir" mon ceph-mon -f -i a
    wait_until "$dir" 30 "the monitor answers" monitor_answers
}

monitor_answers() {
    timeout 10 ceph --connect-timeout 5 health >/dev/null 2>&1
}

start_store() {
    local dir="$1" store
    store=$(cat /proc/sys/kernel/random/uuid)
    once "$dir" ceph osd new "$store"
    once "$dir" ceph-osd -i 0 --mkfs --osd-uuid "$store"
    daemon "$dir" osd ceph-osd -f -i 0
}

answers() {
    curl --silent --output /dev/null --max-time 5 "$1"
}

stop() {
    # Nothing is kept, so there is nothing to wait for.
    stop_all "$1" 1
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
