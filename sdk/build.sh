#!/bin/sh
# Builds WebAssembly modules from Rust, C and AssemblyScript:
#
#	sdk/build.sh build [FOLDER…]   writes NAME.wasm and NAME.wasm.sha256
#	sdk/build.sh check [FOLDER…]   compares a fresh build with the committed one
#
# NAME is that of the folder, or of the one above it, and the source beside it
# is NAME.rs, NAME.c or NAME.ts. Without folders: all that hold a .sha256. The
# bytes depend on the compilers: Debian's rustc 1.63 and clang 14, and the
# AssemblyScript of sdk/assemblyscript/package.json. .ci/needs installs them.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
rustc=${RUSTC:-/usr/bin/rustc}
clang=${CLANG:-clang-14}
asc=$root/sdk/assemblyscript/node_modules/.bin/asc
bits="--edition 2021 --target wasm32-unknown-unknown -C opt-level=3 -C panic=abort -C codegen-units=1 -C debuginfo=0
  -C target-feature=+bulk-memory,+nontrapping-fptoint -Z location-detail=file"
export RUSTC_BOOTSTRAP=1 # for -Z: the line of a panic is not in the bytes, so that they change with the code alone

# source prints the module's source in a folder.
source_of() {
	for name in "$(basename "$1")" "$(basename "$(dirname "$1")")"; do
		for kind in rs c ts; do
			if [ -f "$1/$name.$kind" ]; then
				echo "$1/$name.$kind"
				return
			fi
		done
	done
	echo "$1 has no source that is named like it or the folder above: NAME.rs, NAME.c or NAME.ts" >&2
	return 1
}

# compile SOURCE OUT builds one module; $work holds what all share.
compile() {
	folder=$(dirname "$1")
	case $1 in
	*.rs)
		# shellcheck disable=SC2086 # flags
		"$rustc" $bits --remap-path-prefix "$root=." --crate-type cdylib --crate-name "$(basename "$1" .rs | tr - _)" \
			-C lto=fat -C strip=symbols -C link-arg=-zstack-size=16384 -C link-arg=--export=memory \
			--extern "signalbox=$work/libsignalbox.rlib" -o "$2" "$1"
		;;
	*.c)
		"$clang" --target=wasm32 -std=c11 -O3 -Wall -Wextra -Werror -nostdlib -ffreestanding -fvisibility=hidden \
			-mbulk-memory -msign-ext -mnontrapping-fptoint -msimd128 -I "$root/sdk/c" \
			-Wl,--no-entry -Wl,--strip-all -Wl,--stack-first -Wl,-z,stack-size=16384 -o "$2" "$1"
		;;
	*.ts)
		(cd "$folder" && "$asc" "$(basename "$1")" -O3 --noAssert --runtime incremental --use abort= --enable simd \
			--path "$work/as" -o "$2")
		;;
	esac
}

# shared builds what modules of these sources need.
shared() {
	case $1 in
	*.rs" "*)
		case $("$rustc" --version) in
		"rustc 1.63."*) ;;
		*) echo "$rustc is not version 1.63: apt-get install rustc libstd-rust-dev-wasm32 lld-14, or set RUSTC" >&2 && exit 1 ;;
		esac
		# shellcheck disable=SC2086 # flags
		"$rustc" $bits --remap-path-prefix "$root=." --crate-type rlib --crate-name signalbox -C embed-bitcode=yes \
			-o "$work/libsignalbox.rlib" "$root/sdk/rust/src/lib.rs"
		;;
	esac
	case $1 in
	*.c" "*)
		case $("$clang" --version) in
		*"clang version 14."*) ;;
		*) echo "$clang is not version 14: apt-get install clang-14 lld-14, or set CLANG" >&2 && exit 1 ;;
		esac
		;;
	esac
	case $1 in
	*.ts" "*)
		[ -x "$asc" ] || { echo "AssemblyScript is missing: npm --prefix sdk/assemblyscript ci" >&2 && exit 1; }
		mkdir -p "$work/as"
		ln -s "$root/sdk/assemblyscript" "$work/as/signalbox"
		;;
	esac
}

# one MODE SOURCE builds or compares one module.
one() {
	folder=$(dirname "$2")
	name=$(basename "${2%.*}")
	out=$(mktemp -d "$work/XXXXXX")/$name.wasm
	compile "$2" "$out"
	sum=$(sha256sum "$out" | cut -d ' ' -f 1)
	if [ "$1" = build ]; then
		cp "$out" "$folder/$name.wasm"
		echo "$sum  $name.wasm" >"$folder/$name.wasm.sha256"
		echo "${folder#"$root"/}/$name.wasm: $(wc -c <"$out") bytes"
		return
	fi
	if ! cmp -s "$out" "$folder/$name.wasm" || [ "$(cat "$folder/$name.wasm.sha256")" != "$sum  $name.wasm" ]; then
		echo "${folder#"$root"/}/$name.wasm is not what its source makes: sdk/build.sh build ${folder#"$root"/}" >&2
		return 1
	fi
	echo "${folder#"$root"/}/$name.wasm is what its source makes"
}

mode=${1:-}
case $mode in
one) # build or check, of one source: how this script calls itself
	work=$2
	one "$3" "$4"
	exit
	;;
build | check) shift ;;
*) echo "usage: sdk/build.sh build|check [FOLDER…]" >&2 && exit 2 ;;
esac

if [ $# = 0 ]; then
	# shellcheck disable=SC2046 # folders without spaces
	set -- $(find "$root/plugins" "$root/examples" "$root/host" -name node_modules -prune -o -name '*.wasm.sha256' -exec dirname {} + | sort -u)
fi
sources=
for folder; do
	sources="$sources $(source_of "$(cd "$folder" && pwd)")" || exit 1
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
shared "$sources "
# shellcheck disable=SC2086 # paths without spaces
printf '%s\n' $sources | xargs -P "$(nproc)" -I '{}' "$0" one "$work" "$mode" '{}'
