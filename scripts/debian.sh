#!/usr/bin/env bash
# Installs the packages of debian-packages.txt that are missing. Quick when none
# is. Without root, or away from Debian, it says what is missing and goes on;
# under CI=true that is an error, because a gate must not shrink unseen.
set -euo pipefail
cd "$(dirname "$0")"

give_up() {
	echo "packages: $1" >&2
	if [[ "${CI:-}" == true ]]; then
		exit 1
	fi
	echo "packages: going on; tests that need them will be skipped" >&2
	exit 0
}

if ! command -v dpkg-query >/dev/null; then
	give_up "this is no Debian; see scripts/debian-packages.txt for what the tests need"
fi

missing=()
while read -r package; do
	[[ -z "$package" || "$package" == \#* ]] && continue
	[[ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)" == installed ]] && continue
	missing+=("$package")
done <debian-packages.txt

if ((${#missing[@]} == 0)); then
	echo "packages: all there"
	exit 0
fi
if ((EUID != 0)); then
	give_up "not root, so not installed: ${missing[*]}"
fi

install() {
	apt-get update --quiet=2 &&
		DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends "${missing[@]}"
}

echo "packages: installing ${missing[*]}"
# A mirror in the middle of an update fails once and is well a moment later.
if ! install; then
	echo "packages: once more" >&2
	sleep 5
	DEBIAN_FRONTEND=noninteractive apt-get --fix-broken install --yes --quiet=2 || true
	install || give_up "could not install ${missing[*]}"
fi
