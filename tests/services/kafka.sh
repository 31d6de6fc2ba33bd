#!/usr/bin/env bash
# Apache Kafka (KRaft, each node broker and controller) on free ports of 127.0.0.1:
#   kafka.sh start DIR BROKERS [NAME...]
#                                   1 or 3 brokers; returns when each of them sees all; writes DIR/env and prints it.
#                                   For each NAME (capitals and digits) every broker has a further listener, which it
#                                   tells its clients to reach at another port: the caller's proxies are to listen at
#                                   KAFKA_NAME and lead to KAFKA_NAME_BEHIND, port by port. The name SECURED is another
#                                   matter: there brokers want TLS (KAFKA_SECURED_CA) and SASL, by SCRAM-SHA-512 (user
#                                   and password `headgate`) or OAUTHBEARER (any unsigned token), at KAFKA_SECURED
#   kafka.sh stop DIR               leaves the data, which the next start finds again
#   kafka.sh kill DIR N...          SIGKILL to brokers; N counts from 1
#   kafka.sh restart DIR N...       starts killed brokers on their old ports and data; returns when they are in sync
#   kafka.sh pause DIR N...         SIGSTOP
#   kafka.sh cont DIR N...          SIGCONT
#   kafka.sh env DIR                prints DIR/env
#   kafka.sh tool DIR CLASS ARG...  runs a class of org.apache.kafka.tools against the brokers, such as TopicCommand
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

# Quick to start rather than fast in the long run: the tests' machines have few cores and run each broker briefly.
java_options=(-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData -Dlog4j2.level=INFO)

find_java() {
    java=java
    [ -z "${JAVA_HOME:-}" ] || java="$JAVA_HOME/bin/java"
    need "$java" "run tests/services/install.sh"
    [ -d "$kafka_libs" ] || fail "Kafka is missing: run tests/services/install.sh"
}

start() {
    local dir="$1" brokers="$2" n
    shift 2
    case "$brokers" in 1 | 3) ;; *) fail "1 or 3 brokers, not $brokers" ;; esac
    find_java
    need kcat "run tests/services/install.sh"
    begin "$dir"
    [ "$(broker_count "$dir")" = 0 ] || [ "$(broker_count "$dir")" = "$brokers" ] ||
        fail "$dir holds the data of $(broker_count "$dir") brokers"
    # First the brokers' ports, then the controllers', then for each name the proxies' and those behind them.
    choose_ports "$dir" $((2 * brokers * (1 + $#)))
    # A random identifier in Kafka's form, but never one that begins like an option.
    [ -e "$dir/cluster" ] || python3 -c 'import base64, uuid
print("h" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22])' >"$dir/cluster"
    case " $* " in *" SECURED "*) [ -e "$dir/secured.pem" ] || certificate "$dir" ;; esac
    for n in $(seq "$brokers"); do
        mkdir -p "$dir/$n/tmp"
        properties "$dir" "$n" "$brokers" "$@" >"$dir/$n/server.properties"
    done
    for n in $(seq "$brokers"); do
        [ -e "$dir/$n/data/meta.properties" ] || format "$dir" "$n"
        start_broker "$dir" "$n"
    done
    for n in $(seq "$brokers"); do
        wait_until "$dir" 90 "broker $n sees $brokers brokers" sees "$dir" "$n" "$brokers"
    done
    ready "$dir" "KAFKA_BOOTSTRAP=$(servers 0 "$brokers")
KAFKA_CLASSPATH=$kafka_libs/*$(named "$dir" "$brokers" "$@")"
}

# named DIR BROKERS NAME...: the settings of the further listeners.
named() {
    local dir="$1" brokers="$2" at=$((2 * $2)) name
    shift 2
    for name in "$@"; do
        if [ "$name" = SECURED ]; then
            printf '\nKAFKA_SECURED=%s' "$(servers $((at + brokers)) "$brokers")"
            printf '\nKAFKA_SECURED_CA=%s' "$dir/secured.crt"
            at=$((at + 2 * brokers))
            continue
        fi
        printf '\nKAFKA_%s=%s' "$name" "$(servers "$at" "$brokers")"
        printf '\nKAFKA_%s_BEHIND=%s' "$name" "$(servers $((at + brokers)) "$brokers")"
        at=$((at + 2 * brokers))
    done
}

# certificate DIR: one that signs itself, for 127.0.0.1, and its key.
certificate() {
    need openssl "please install openssl"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=headgate-test \
        -addext subjectAltName=IP:127.0.0.1 -keyout "$1/secured.key" -out "$1/secured.crt" 2>"$1/setup.log" ||
        give_up "$1" "no certificate could be made"
    cat "$1/secured.key" "$1/secured.crt" >"$1/secured.pem"
}

# secured DIR: what brokers want of those who connect to the listener SECURED.
secured() {
    local modules=org.apache.kafka.common.security
    cat <<PROPERTIES
listener.name.secured.ssl.keystore.type=PEM
listener.name.secured.ssl.keystore.location=$1/secured.pem
listener.name.secured.sasl.enabled.mechanisms=SCRAM-SHA-512,OAUTHBEARER
listener.name.secured.scram-sha-512.sasl.jaas.config=$modules.scram.ScramLoginModule required;
listener.name.secured.oauthbearer.sasl.jaas.config=$modules.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";
PROPERTIES
}

# Sets `ports` as the last start chose them.
load_ports() {
    [ -e "$1/ports" ] || fail "nothing was started in $1"
    mapfile -t ports <"$1/ports"
}

broker_count() {
    local n=0
    while [ -e "$1/$((n + 1))/data/meta.properties" ]; do n=$((n + 1)); done
    echo "$n"
}

# servers FIRST COUNT: so many of the chosen ports, as clients take them.
servers() {
    local port list=()
    for port in "${ports[@]:$1:$2}"; do list+=("127.0.0.1:$port"); done
    (IFS=, && echo "${list[*]}")
}

properties() {
    local dir="$1" n="$2" brokers="$3" voters=() i
    local port="${ports[n - 1]}" controller_port="${ports[brokers + n - 1]}"
    local listeners='' advertised='' protocols='' at=$((2 * brokers)) name
    shift 3
    for i in $(seq "$brokers"); do voters+=("$i@127.0.0.1:${ports[brokers + i - 1]}"); done
    for name in "$@"; do
        listeners+=",$name://127.0.0.1:${ports[at + brokers + n - 1]}"
        if [ "$name" = SECURED ]; then
            advertised+=",$name://127.0.0.1:${ports[at + brokers + n - 1]}"
            protocols+=",$name:SASL_SSL"
            secured "$dir"
        else
            advertised+=",$name://127.0.0.1:${ports[at + n - 1]}"
            protocols+=",$name:PLAINTEXT"
        fi
        at=$((at + 2 * brokers))
    done
    # Each listener has threads of its own.
    [ $# = 0 ] || echo num.network.threads=1
    cat <<PROPERTIES
process.roles=broker,controller
node.id=$n
controller.quorum.voters=$(IFS=, && echo "${voters[*]}")
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller_port$listeners
advertised.listeners=PLAINTEXT://127.0.0.1:$port$advertised
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT$protocols
log.dirs=$dir/$n/data

# As in production: a topic that nobody made is an error, and one broker of three may fail.
auto.create.topics.enable=false
default.replication.factor=$brokers
offsets.topic.replication.factor=$brokers
transaction.state.log.replication.factor=$brokers
share.coordinator.state.topic.replication.factor=$brokers
min.insync.replicas=$(((brokers + 1) / 2))
transaction.state.log.min.isr=$(((brokers + 1) / 2))
share.coordinator.state.topic.min.isr=$(((brokers + 1) / 2))

# A failure is to be noticed within the patience of a test, yet not where a busy machine only stalls.
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=4000
controller.quorum.election.timeout.ms=500
controller.quorum.election.backoff.max.ms=500
replica.lag.time.max.ms=4000
# A paused controller keeps its connections: without this, brokers wait half a minute for it before they ask the new one.
controller.socket.timeout.ms=3000
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000

# Small: a broker shares its machine with the tests, and most of its topics hold little.
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
share.coordinator.state.topic.num.partitions=4
log.cleaner.dedupe.buffer.size=8388608
num.io.threads=4
background.threads=4
PROPERTIES
}

format() {
    local dir="$1" n="$2"
    "$java" -Xmx128m "${java_options[@]}" -Dlog4j2.level=WARN -cp "$kafka_libs/*" kafka.tools.StorageTool format \
        --cluster-id "$(cat "$dir/cluster")" --config "$dir/$n/server.properties" \
        --add-scram 'SCRAM-SHA-512=[name=headgate,password=headgate]' >>"$dir/broker-$n.log" 2>&1 ||
        give_up "$dir" "the data of broker $n could not be prepared"
}

start_broker() {
    local dir="$1" n="$2"
    # Its native libraries are unpacked into the temporary directory, where a killed broker leaves them.
    daemon "$dir" "broker-$n" "$java" -Xms64m -Xmx512m "${java_options[@]}" -XX:+ExitOnOutOfMemoryError \
        -Djava.io.tmpdir="$dir/$n/tmp" -cp "$kafka_libs/*" kafka.Kafka "$dir/$n/server.properties"
}

# metadata PORT: what the broker there says of brokers and topics.
metadata() {
    timeout 5 kcat -b "127.0.0.1:$1" -X topic.metadata.refresh.interval.ms=-1 -m 3 -L 2>/dev/null
}

# sees DIR N BROKERS: whether broker N answers and knows so many brokers.
sees() {
    # Not -q, which would end before the other has written all, and so make it fail.
    metadata "${ports[$2 - 1]}" | grep -x " $3 brokers:" >/dev/null
}

# in_sync DIR N: whether broker N answers, is part of the cluster, and follows in each partition that it is to hold.
in_sync() {
    metadata "${ports[$2 - 1]}" | awk -v n="$2" '
        $1 == "broker" && $2 == n { member = 1 }
        $1 == "partition" {
            split($0, part, /replicas: |, isrs: /)
            sub(/, [^0-9].*/, "", part[3])
            if (("," part[2] ",") ~ ("," n ",") && ("," part[3] ",") !~ ("," n ",")) behind = 1
        }
        END { exit !member || behind }'
}

stop() {
    # Brokers that end together wait for each other in vain. What they have acknowledged is in files by then.
    stop_all "$1" 2
}

each_broker() {
    local dir="$1" action="$2" n
    shift 2
    [ $# -gt 0 ] || usage
    for n in "$@"; do
        [ -e "$dir/$n/server.properties" ] || fail "there is no broker $n in $dir"
        "$action" "$dir" "$n"
    done
}

kill_broker() {
    signal "$1" "broker-$2" KILL || fail "broker $2 does not run"
    poll 10 broker_ended "$1" "$2" || fail "broker $2 does not end"
    rm -f "$1/broker-$2.pid"
}

broker_ended() {
    ! running "$1" "broker-$2"
}

pause_broker() {
    signal "$1" "broker-$2" STOP || fail "broker $2 does not run"
}

continue_broker() {
    signal "$1" "broker-$2" CONT || fail "broker $2 does not run"
}

restart() {
    local dir="$1" total alive
    shift
    find_java
    load_ports "$dir"
    total=$(broker_count "$dir")
    each_broker "$dir" stopped_broker "$@"
    # Fewer have no leader, and each would wait for the others.
    alive=$(($(names "$dir" | wc -l) + $#))
    [ $((2 * alive)) -gt "$total" ] || fail "$alive of $total brokers are no majority: name more of them at once"
    each_broker "$dir" start_broker "$@"
    each_broker "$dir" wait_in_sync "$@"
}

stopped_broker() {
    ! running "$1" "broker-$2" || fail "broker $2 runs already"
    rm -f "$1/broker-$2.pid"
}

wait_in_sync() {
    wait_until "$1" 90 "broker $2 is in sync" in_sync "$1" "$2"
}

tool() {
    local dir="$1" class="$2" servers
    shift 2
    find_java
    servers=$(print_env "$dir" | sed -n 's/^KAFKA_BOOTSTRAP=//p')
    exec timeout 60 "$java" -Xmx128m "${java_options[@]}" -Dlog4j2.level=WARN -cp "$kafka_libs/*" \
        "org.apache.kafka.tools.$class" --bootstrap-server "$servers" "$@"
}

main() {
    local command="$1" dir
    dir=$(absolute "$2")
    shift 2
    case "$command" in
        start) start "$dir" "${1:-}" "${@:2}" ;;
        stop) stop "$dir" ;;
        kill) each_broker "$dir" kill_broker "$@" ;;
        restart) restart "$dir" "$@" ;;
        pause) each_broker "$dir" pause_broker "$@" ;;
        cont) each_broker "$dir" continue_broker "$@" ;;
        env) print_env "$dir" ;;
        tool) tool "$dir" "$@" ;;
        *) usage ;;
    esac
}

[ $# -ge 2 ] || usage
main "$@"
