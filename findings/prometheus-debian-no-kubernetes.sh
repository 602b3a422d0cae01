#!/usr/bin/env bash
# Debian 12's Prometheus (2.42.0+ds) is built without Kubernetes service discovery: a configuration with `kubernetes_sd_configs`, as upstream's manual has
# it, is refused as if the field did not exist, by the server and by promtool, while `file_sd_configs` and `http_sd_configs` are taken. Needs apt-get and dpkg-deb.
set -euo pipefail
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
  echo "skipped: needs apt-get and dpkg-deb"
  exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
chmod 755 .
apt-get download -qq 'prometheus=2.42.0+ds-5+deb12u1' >/dev/null 2>&1 || { echo "skipped: the package cannot be had"; exit 0; }
dpkg-deb -x prometheus_*.deb .
check() { # name of the discovery, its settings
  printf 'scrape_configs:\n  - job_name: nodes\n    %s:\n      - %s\n' "$1" "$2" >"$1.yml"
  ./usr/bin/promtool check config "$1.yml" 2>&1 || true
}
./usr/bin/promtool --version 2>&1 | head -n 1
kubernetes=$(check kubernetes_sd_configs 'role: node')
file=$(check file_sd_configs 'files: [targets.json]')
http=$(check http_sd_configs 'url: http://127.0.0.1:9/targets')
echo "kubernetes_sd_configs: $(grep -o 'field kubernetes_sd_configs not found.*' <<<"$kubernetes")"
echo "file_sd_configs:       $(grep -o 'SUCCESS: .* is valid' <<<"$file")"
echo "http_sd_configs:       $(grep -o 'SUCCESS: .* is valid' <<<"$http")"
grep -q 'field kubernetes_sd_configs not found' <<<"$kubernetes" && grep -q SUCCESS <<<"$file" && grep -q SUCCESS <<<"$http"
