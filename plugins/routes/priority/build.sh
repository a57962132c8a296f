#!/bin/sh
# Builds priority.wasm, or with "check" compares a fresh build with the
# committed one. The bytes depend on the compiler: they were made with Debian's
# rustc 1.63 (apt-get install rustc libstd-rust-dev-wasm32 lld-14).
set -eu
cd "$(dirname "$0")/../../.."
rustc=${RUSTC:-/usr/bin/rustc}
out=plugins/routes/priority/priority.wasm
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

case $("$rustc" --version) in
"rustc 1.63."*) ;;
*) echo "$rustc is not version 1.63; set RUSTC" >&2; exit 1 ;;
esac

flags="--edition 2021 --target wasm32-unknown-unknown -C opt-level=3 -C panic=abort -C codegen-units=1
  -C debuginfo=0 --remap-path-prefix $PWD=."
# shellcheck disable=SC2086
"$rustc" $flags --crate-type rlib --crate-name signalbox -C embed-bitcode=yes -o "$tmp/libsignalbox.rlib" sdk/rust/src/lib.rs
# shellcheck disable=SC2086
"$rustc" $flags --crate-type cdylib --crate-name priority -C lto=fat -C strip=symbols \
  -C link-arg=-zstack-size=16384 -C link-arg=--export=memory \
  --extern "signalbox=$tmp/libsignalbox.rlib" -o "$tmp/priority.wasm" plugins/routes/priority/priority.rs

if [ "${1:-}" = check ]; then
  cmp "$tmp/priority.wasm" "$out"
  (cd plugins/routes/priority && sha256sum -c --quiet priority.wasm.sha256)
  echo "priority.wasm is what its source makes"
  exit
fi
cp "$tmp/priority.wasm" "$out"
(cd plugins/routes/priority && sha256sum priority.wasm >priority.wasm.sha256)
