#!/bin/sh
# Three gateways on this machine that share one PostgreSQL and one Redis, which
# it starts too, from the distribution's packages. Ctrl-C ends all of them.
#
#   DIR        where their state lies, .scaleout by default; remove it to begin anew
#   BASE       the ports: gateways at BASE+1…3, their admin API at BASE+11…13,
#              PostgreSQL at BASE+21, Redis at BASE+22; 8100 by default
#   SIGNALBOX  the program, signalbox by default
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=${DIR:-$PWD/.scaleout}
base=${BASE:-8100}
signalbox=${SIGNALBOX:-signalbox}

for bin in /usr/lib/postgresql/*/bin; do :; done # the newest
[ -x "$bin/postgres" ] || { echo "there is no PostgreSQL: apt-get install postgresql" >&2; exit 1; }
command -v redis-server >/dev/null || { echo "there is no Redis: apt-get install redis-server" >&2; exit 1; }

mkdir -p "$dir"
kept() { # name: a random text that stays the same
	[ -s "$dir/$1" ] || (umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$dir/$1")
	cat "$dir/$1"
}
DATABASE_PASSWORD=$(kept database.password)
ADMIN_TOKEN=$(kept admin.token)
SECRETS_KEY=$(kept secrets.key)
DATABASE=127.0.0.1:$((base + 21))
REDIS=127.0.0.1:$((base + 22))
export DATABASE_PASSWORD ADMIN_TOKEN SECRETS_KEY DATABASE REDIS

children=
trap 'trap - EXIT INT TERM; kill $children 2>/dev/null || true; wait $children || true; [ -z "${postgres:-}" ] || { kill -INT "$postgres" 2>/dev/null || true; wait; }' EXIT
trap 'exit 0' INT TERM

# PostgreSQL does not run as root.
as=
if [ "$(id -u)" = 0 ]; then
	as="setpriv --reuid=postgres --regid=postgres --clear-groups"
fi
if [ ! -d "$dir/postgres" ]; then
	mkdir -m 700 "$dir/postgres"
	cp "$dir/database.password" "$dir/postgres.password"
	[ -z "$as" ] || chown postgres:postgres "$dir/postgres" "$dir/postgres.password"
	$as "$bin/initdb" -D "$dir/postgres" -U signalbox --pwfile="$dir/postgres.password" --auth=scram-sha-256 --encoding=UTF8 >/dev/null
	rm "$dir/postgres.password"
fi
setsid $as "$bin/postgres" -D "$dir/postgres" -p $((base + 21)) -c listen_addresses=127.0.0.1 -c unix_socket_directories= >"$dir/postgres.log" 2>&1 &
postgres=$!
setsid redis-server --bind 127.0.0.1 --port $((base + 22)) --save '' --appendonly no >"$dir/redis.log" 2>&1 &
children=$!
until PGPASSWORD=$DATABASE_PASSWORD "$bin/psql" -h 127.0.0.1 -p $((base + 21)) -U signalbox -d postgres -c 'SELECT 1' >/dev/null 2>&1; do
	kill -0 "$postgres" 2>/dev/null || { cat "$dir/postgres.log" >&2; exit 1; }
	sleep 0.1
done
PGPASSWORD=$DATABASE_PASSWORD "$bin/psql" -h 127.0.0.1 -p $((base + 21)) -U signalbox -d postgres -c 'CREATE DATABASE signalbox' >/dev/null 2>&1 || true # it is there

for n in 1 2 3; do
	NODE=node-$n NODE_DIR=$dir/node-$n DATA_PORT=$((base + n)) ADMIN_PORT=$((base + 10 + n)) \
		setsid "$signalbox" serve --config "$here/signalbox.yaml" >"$dir/node-$n.log" 2>&1 &
	children="$children $!"
	node=$!
	until SIGNALBOX_ADMIN_TOKEN=$ADMIN_TOKEN "$signalbox" node list --address "http://127.0.0.1:$((base + 10 + n))" >/dev/null 2>&1; do
		kill -0 "$node" 2>/dev/null || { cat "$dir/node-$n.log" >&2; exit 1; }
		sleep 0.1
	done
	echo "node-$n: http://127.0.0.1:$((base + n)), admin API at http://127.0.0.1:$((base + 10 + n))"
done
echo "export SIGNALBOX_ADMIN_TOKEN=\$(cat $dir/admin.token)"
echo "signalbox node list --address http://127.0.0.1:$((base + 11))"
wait
