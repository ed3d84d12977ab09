#!/usr/bin/env bash
# A Slurm of one node, this machine, without systemd and without touching the system's own configuration: for tests.
#
#   one_node_slurm.sh start FOLDER   munged, slurmctld and slurmd with all their files in FOLDER
#   one_node_slurm.sh stop FOLDER
#
# Needs Debian's packages slurm-wlm and munge, and root (slurmd starts jobs as other users). After `start`, the
# commands of Slurm work with SLURM_CONF=FOLDER/slurm.conf. Exit code 77: what is missing is said on stderr.
set -euo pipefail

skip() {
    printf 'one_node_slurm: %s\n' "$*" >&2
    exit 77
}

# start_and_wait NAME COMMAND...   waits until COMMAND succeeds; the daemon was started before
wait_for() {
    local name=$1
    shift
    for _ in $(seq 100); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.1
    done
    printf 'one_node_slurm: %s did not answer within 10 s; the end of its log:\n' "$name" >&2
    tail -n 10 "$folder/$name.log" >&2 || true
    stop
    exit 77
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start() {
    local program
    for program in munged slurmctld slurmd srun sbatch scontrol; do
        command -v "$program" >/dev/null || skip "no $program here; scripts/setup.sh --with-launchers installs it"
    done
    [[ $(id -u) == 0 ]] || skip "slurmd needs root"
    mkdir -p "$folder"/{state,spool}
    chmod 755 "$folder"
    local host cpus
    host=$(hostname -s)
    cpus=$(nproc)

    # munge: a key and a socket of its own. The folder above must be safe from others, or munged refuses.
    head -c 1024 /dev/urandom >"$folder/munge.key"
    chmod 600 "$folder/munge.key"
    munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
        --log-file="$folder/munged.log" --seed-file="$folder/munge.seed" --num-threads=1
    wait_for munged munge --socket="$folder/munge.socket" --no-input

    # Four tasks at once on any machine: the node says it has that many processors.
    cat >"$folder/slurm.conf" <<END
ClusterName=one
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0
ReturnToService=2
SlurmdParameters=config_overrides
MailProg=/bin/true
InactiveLimit=0
KillWait=1
NodeName=$host NodeAddr=127.0.0.1 CPUs=$((cpus > 4 ? cpus : 4)) State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
    export SLURM_CONF=$folder/slurm.conf
    slurmctld -f "$SLURM_CONF" >>"$folder/slurmctld.log" 2>&1 || wait_for slurmctld false
    wait_for slurmctld scontrol ping
    slurmd -f "$SLURM_CONF" -N "$host" >>"$folder/slurmd.log" 2>&1 || wait_for slurmd false
    wait_for slurmd sh -c "sinfo --noheader --format=%T | grep -qx idle"
}

# Only what was started from this folder.
stop() {
    local daemon pid
    for daemon in slurmd slurmctld munged; do
        [[ -s $folder/$daemon.pid ]] || continue
        pid=$(<"$folder/$daemon.pid")
        kill "$pid" 2>/dev/null || continue
        for _ in $(seq 50); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
    done
}

[[ $# == 2 && ($1 == start || $1 == stop) ]] || {
    sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
    exit 2
}
mkdir -p "$2"
folder=$(cd -- "$2" && pwd)
"$1"
