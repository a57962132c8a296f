#!/bin/sh
# A gateway with a tool server behind it, and one call.
set -eu
cd "$(dirname "$0")"
here=$(pwd)
bin=${BIN:-$here/../../bin}
[ -x "$bin/signalbox" ] || make -s -C ../.. build
work=$(mktemp -d)
go build -o "$work/clock" ./clock
cd "$work"
export PATH="$work:$bin:$PATH" SIGNALBOX_LISTEN_DATA="${DATA:-127.0.0.1:8080}" SIGNALBOX_LISTEN_ADMIN="${ADMIN:-127.0.0.1:8081}"
cp "$here/signalbox.yaml" .
signalbox serve >log 2>&1 &
gateway=$!
trap 'kill $gateway 2>/dev/null && wait $gateway; rm -r "$work"' EXIT
until signalbox mcp tools 2>/dev/null | grep -q clock__now; do
	kill -0 $gateway 2>/dev/null || { cat log; exit 1; }
	sleep 0.1
done
signalbox mcp tools
signalbox mcp call clock__now '{"zone": "Europe/Vienna"}' --key sb-a-key-for-this-example-000001
