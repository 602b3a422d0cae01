#!/bin/sh
# A worker of docker-compose.yml: its kubelet, its proxy and cluster DNS beside each other, in the network of this container. One that ends is started
# again; pods go on without their kubelet, and end with the container. NODE_NAME is its name.
set -eu

cluster_dns=10.96.0.10
servers=https://apiserver-1:6443,https://apiserver-2:6443
network="--network=bridge --cluster-name=compose --cluster-cidr=10.128.0.0/16 --service-cluster-ip-range=10.96.0.0/18"

# The engine mounts these for reading alone.
for folder in /proc/sys /sys/fs/cgroup/*/ /sys/fs/cgroup; do mount -o remount,bind,rw "$folder" 2>/dev/null || :; done
# Cluster DNS answers on each worker, at the address of its Service; pods that ask as their node does ask it too, as that of the engine answers no pods.
ip address replace "$cluster_dns/32" dev lo
echo "nameserver $cluster_dns" >/run/resolv.conf
# With version 2 of cgroups one that has processes gives its children no controllers.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir -p /sys/fs/cgroup/worker
  for process in $(cat /sys/fs/cgroup/cgroup.procs); do echo "$process" >/sys/fs/cgroup/worker/cgroup.procs || :; done
  for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control || :; done
fi

keep() {
  program=
  trap '[ -z "$program" ] || kill "$program"; wait; exit 0' TERM
  while :; do
    node --max-semi-space-size=8 cmd/common/run-process.js "$@" "--servers=$servers" &
    program=$!
    wait "$program" || :
    sleep 1
  done
}

# shellcheck disable=SC2086 # one word each
keep cmd/kubelet/main.ts "--kubeconfig=/keys/node-$NODE_NAME.kubeconfig" "--node-name=$NODE_NAME" --node-ip=0.0.0.0 $network --runtime=container \
  --root-dir=/data --cluster-dns="$cluster_dns" --resolv-conf=/run/resolv.conf --nodes-on-machine=3 --client-ca-file=/keys/ca.crt \
  --tls-cert-file=/keys/kubelet.crt --tls-private-key-file=/keys/kubelet.key &
kept=$!
# shellcheck disable=SC2086
keep cmd/kube-proxy/main.ts --kubeconfig=/keys/kube-proxy.kubeconfig "--hostname-override=$NODE_NAME" --nodeport-addresses=0.0.0.0 $network &
kept="$kept $!"
keep cmd/cluster-dns/main.ts --kubeconfig=/keys/cluster-dns.kubeconfig --address="$cluster_dns" &
kept="$kept $!"
trap 'kill $kept; wait; exit 0' TERM
wait
