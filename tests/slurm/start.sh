#!/bin/bash
# Starts a Slurm of two nodes on this machine, for tests: munged, slurmctld and two slurmds, with all state in FOLDER.
#
#     tests/slurm/start.sh FOLDER [SETTINGS]
#
# SETTINGS is a file with lines of slurm.conf, each instead of the line below with the same key; in them, FOLDER stands for
# the folder. With the line
# `AccountingStorageType=accounting_storage/slurmdbd`, the cluster keeps accounts; this needs Debian's packages
# `slurmdbd` and `mariadb-server`. With `TaskPlugin=task/cgroup`, the memory of tasks is limited by control groups.
#
# It must run as root, on a machine with Debian's packages `slurm-wlm` and `munge`. It prints `ready` when jobs can be
# submitted with SLURM_CONF=FOLDER/slurm.conf. It ends every daemon when its standard input ends or a signal arrives, so
# that no daemon outlives whoever started it. The file FOLDER/n1.pid holds the process id of the first slurmd.
set -euo pipefail
folder=$(realpath "$1")
host=$(hostname)
cd "$folder"
mkdir -p munge state n1 n2
chmod 755 "$folder"

# Daemons, their helpers and tasks carry the name of this configuration in their environment.
processes_of_this_cluster() {
    grep -lsz "^SLURM_CONF=$folder/slurm.conf\$" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 || true
}

stop() {
    trap - EXIT INT TERM HUP
    unset SLURM_CONF
    for file in n1.pid n2.pid slurmctld.pid slurmdbd.pid database.pid munge/munged.pid; do
        if [ -s "$file" ]; then kill -KILL "$(cat "$file")" 2>/dev/null || true; fi
    done
    # What a daemon has started outlives it, and may start more until it is gone.
    for _ in $(seq 50); do
        local left=()
        for pid in $(processes_of_this_cluster); do
            if [ "$pid" != $$ ] && [ "$pid" != "$BASHPID" ]; then left+=("$pid"); fi
        done
        if [ ${#left[@]} -eq 0 ]; then break; fi
        kill -KILL "${left[@]}" 2>/dev/null || true
        sleep 0.1
    done
    if [ -f cgroup.conf ]; then
        find /sys/fs/cgroup/*/slurm_n[12] -depth -type d -exec rmdir {} + 2>/dev/null || true
    fi
    exit 0
}
trap stop EXIT INT TERM HUP

# Five free ports: this shell's id decides where the search begins.
ports=()
port=$((20000 + $$ % 20000))
while [ ${#ports[@]} -lt 5 ]; do
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then ports+=("$port"); fi
    port=$((port + 1))
done

dd if=/dev/urandom of=munge/munge.key bs=1 count=1024 status=none
chmod 700 munge
chmod 600 munge/munge.key
chown -R munge: munge
chmod 711 munge
runuser -u munge -- munged --force --key-file="$folder/munge/munge.key" --socket="$folder/munge/socket" \
    --pid-file="$folder/munge/munged.pid" --log-file="$folder/munge/log" --seed-file="$folder/munge/seed"

cat >slurm.conf <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmctldPort=${ports[0]}
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SwitchType=switch/none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1,batch_sched_delay=0,defer_batch
MaxArraySize=2001
SlurmdTimeout=6
SlurmctldTimeout=5
InactiveLimit=0
KillWait=5
MinJobAge=60
MessageTimeout=5
UnkillableStepTimeout=120
NodeName=DEFAULT CPUs=2 RealMemory=500 State=UNKNOWN
END
if [ -n "${2:-}" ]; then
    while read -r line; do
        case $line in
        PartitionName=*) ;;
        *) sed -i "/^${line%%=*}=/d" slurm.conf ;;
        esac
        printf '%s\n' "${line//FOLDER/$folder}" >>slurm.conf
    done <"$2"
fi
cat >>slurm.conf <<END
AccountingStorageHost=127.0.0.1
AccountingStoragePort=${ports[3]}
AccountingStoragePass=$folder/munge/socket
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=${ports[1]}
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=${ports[2]}
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
END
export SLURM_CONF=$folder/slurm.conf

# Tries a command until it succeeds.
insist() {
    for _ in $(seq 300); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    "$@"
}

if grep -q '^TaskPlugin=task/cgroup' slurm.conf; then
    printf '%s\n' CgroupPlugin=cgroup/v1 ConstrainRAMSpace=yes ConstrainSwapSpace=yes AllowedSwapSpace=0 >cgroup.conf
fi
if grep -q '^AccountingStorageType=accounting_storage/slurmdbd' slurm.conf; then
    cat >slurmdbd.conf <<END
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=${ports[3]}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=${ports[4]}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
PidFile=$folder/slurmdbd.pid
LogFile=$folder/slurmdbd.log
END
    chmod 600 slurmdbd.conf
    mariadb-install-db --no-defaults --user=root --datadir="$folder/database" --skip-test-db \
        --auth-root-authentication-method=normal >database-install.log 2>&1
    mariadbd --no-defaults --user=root --datadir="$folder/database" --socket="$folder/database.socket" \
        --pid-file="$folder/database.pid" --bind-address=127.0.0.1 --port="${ports[4]}" \
        --innodb-buffer-pool-size=32M --innodb-log-file-size=16M --innodb-flush-log-at-trx-commit=0 \
        >database.log 2>&1 &
    insist mariadb --no-defaults --socket="$folder/database.socket" --execute="create or replace database slurm;
        create or replace user slurm@'127.0.0.1' identified by 'slurm'; grant all on slurm.* to slurm@'127.0.0.1'"
    slurmdbd
    insist sacctmgr --immediate add cluster test
    sacctmgr --immediate add account lab >/dev/null
    sacctmgr --immediate add user root account=lab >/dev/null
fi

slurmctld -c
slurmd -N n1
slurmd -N n2

for _ in $(seq 300); do
    if [ "$(sinfo --noheader --Node --format='%N %t' 2>/dev/null | sort -u | grep -c idle)" = 2 ]; then
        echo ready
        cat >/dev/null
        exit 0
    fi
    sleep 0.1
done
echo "Slurm did not start within 30 s; see $folder/*.log" >&2
tail -n 5 ./*.log >&2
exit 1
