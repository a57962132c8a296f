#!/bin/sh
# Checks the alerts and has Prometheus scrape a gateway: run.sh [admin address]
# [address for Prometheus to listen on].
set -eu
cd "$(dirname "$0")"
gateway=${1:-127.0.0.1:8081}
listen=${2:-127.0.0.1:9090}
promtool check rules rules.yaml
promtool test rules rules_test.yaml
dir=$(mktemp -d)
sed "s/127.0.0.1:8081/$gateway/" prometheus.yaml >"$dir/prometheus.yaml"
cp rules.yaml "$dir"
cd "$dir"
exec prometheus --enable-feature exemplar-storage --config.file prometheus.yaml --storage.tsdb.path data --web.listen-address "$listen"
