#!/usr/bin/env bash
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Takes a program from upstream's release files, for hack/binaries.sh:
#
#   hack/upstream.sh NAME VERSION CACHE
#   hack/upstream.sh version NAME         prints the version that the table has
#
# Puts CACHE/NAME-VERSION/NAME into place, or says on stderr why not and exits 1. Of a NAME with a
# slash, such as envtest/etcd, the first part names the folder and the second the file. What else
# hack/upstream.tsv has of the same archive comes along.
#
# Nothing gets into place whose checksum is not the one in the table. A host that does not answer
# within three seconds, or is slower than building, is left alone for an hour; so is a file that was
# not the right one.
#
# CAPOM_UPSTREAM=FILE is another table, CAPOM_UPSTREAM=off takes nothing.

set -euo pipefail
shopt -s inherit_errexit

HACK="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
TABLE="${CAPOM_UPSTREAM:-${HACK}/upstream.tsv}"
# Bytes a second. At this rate envtest's archive takes as long as its build.
SLOWEST=65536
# A download that breaks off is continued if the last try brought as many bytes.
WORTHWHILE=1048576

say() { echo "$*" >&2; }

# architecture is Go's name of this machine's, empty where upstream's files for Linux do not run.
architecture() {
  case "$(uname -sm)" in
    "Linux x86_64") echo amd64 ;;
    "Linux aarch64") echo arm64 ;;
  esac
}

# place prints the folder and the file of a program in the cache.
place() { echo "${CACHE}/${1%%/*}-$2" "${1##*/}"; }

# present tells whether a program is in the cache.
present() {
  local folder file
  read -r folder file < <(place "$1" "$2")
  [[ -x ${folder}/${file} ]]
}

# row prints a program's path in its archive, URL and sum.
row() {
  awk -F '\t' -v name="$1" -v version="$2" -v arch="${ARCH}" '
    $1 == name && $2 == version && $3 == arch { print $4, $5, $6; found = 1; exit }
    END { exit !found }' "${TABLE}"
}

# avoid leaves a host or a file alone from now on, avoided tells whether it is.
avoid() {
  touch "${CACHE}/upstream/$1.avoided"
  say "$2: left alone for an hour, unless ${CACHE}/upstream/$1.avoided is removed"
}
avoided() { [[ -n $(find "${CACHE}/upstream/$1.avoided" -mmin -60 2>/dev/null) ]]; }

# probe asks for a URL's first byte, and prints the last answer's code: 000 if there was none.
probe() {
  curl --silent --show-error --location --max-redirs 5 --max-time 3 --range 0-0 \
    --output /dev/null --write-out '%{http_code}' "$1" || true
}

# download writes a URL's content to a file. It returns curl's exit code.
download() {
  local url="$1" file="$2" before=0 now status
  while :; do
    status=0
    curl --fail --silent --show-error --location --max-redirs 5 --connect-timeout 3 \
      --speed-time 5 --speed-limit "${SLOWEST}" --continue-at - --output "${file}" "${url}" || status=$?
    ((status != 0)) || return 0
    now="$(stat --format %s "${file}" 2>/dev/null || echo 0)"
    ((now - before >= WORTHWHILE)) || return "${status}"
    before="${now}"
  done
}

# fetch downloads a file and compares its sum.
fetch() {
  local url="$1" sum="$2" file="$3" host code status=0 got
  host="${url#*://}"
  host="${host%%/*}"
  if avoided "${host}" || avoided "${sum#*:}"; then
    return 1
  fi
  code="$(probe "${url}")"
  case "${code}" in
    2??) ;;
    000 | 3??)
      avoid "${host}" "${host} does not answer"
      return 1 ;;
    *)
      avoid "${sum#*:}" "${url} is not to be had (HTTP ${code})"
      return 1 ;;
  esac
  say "downloading ${url} ..."
  "${HACK}/tick.sh" "downloading ${url##*/}" "${BASH_SOURCE[0]}" download "${url}" "${file}" || status=$?
  case "${status}" in
    0) ;;
    # CURLE_OPERATION_TIMEDOUT
    28)
      avoid "${host}" "${host} is too slow"
      return 1 ;;
    *)
      avoid "${sum#*:}" "${url} did not come whole"
      return 1 ;;
  esac
  got="$("${sum%%:*}sum" "${file}")"
  got="${got%% *}"
  if [[ ${got} != "${sum#*:}" ]]; then
    avoid "${sum#*:}" "${url} is not used, its ${sum%%:*} is ${got} and not ${sum#*:}"
    return 1
  fi
}

# unpack puts all programs that the table has of a URL into the cache. A rename at the end keeps
# others from running half a program.
unpack() {
  local url="$1" archive="$2" folder file unfinished i
  local names=() versions=() members=() wanted=()
  while IFS=$'\t' read -r name version member; do
    names+=("${name}") versions+=("${version}") members+=("${member}")
  done < <(awk -F '\t' -v url="${url}" -v arch="${ARCH}" '
    $3 == arch && $5 == url { print $1 "\t" $2 "\t" $4 }' "${TABLE}")
  if [[ ${members[0]} == - ]]; then
    mv "${archive}" "${WORK}/-"
  else
    mapfile -t wanted < <(printf '%s\n' "${members[@]}" | sort --unique)
    # Some archives have a dot before their paths.
    tar --extract --gzip --file "${archive}" --directory "${WORK}" --no-same-owner --no-anchored "${wanted[@]}" || return 1
  fi
  for i in "${!names[@]}"; do
    if present "${names[i]}" "${versions[i]}"; then
      continue
    fi
    read -r folder file < <(place "${names[i]}" "${versions[i]}")
    mkdir -p "${folder}"
    unfinished="${folder}/.${file}.$$"
    cp "${WORK}/${members[i]}" "${unfinished}"
    chmod 755 "${unfinished}"
    mv "${unfinished}" "${folder}/${file}"
  done
}

# known prints the version of a program that the table has.
known() {
  [[ ${TABLE} != off ]] || return 1
  awk -F '\t' -v name="$1" -v arch="$(architecture)" '
    $1 == name && $3 == arch { print $2; found = 1; exit }
    END { exit !found }' "${TABLE}"
}

take() {
  local name="$1" version="$2" member url sum lock
  CACHE="$3"
  ARCH="$(architecture)"
  if [[ ${TABLE} == off || -z ${ARCH} ]] || ! command -v curl >/dev/null; then
    return 1
  fi
  read -r member url sum < <(row "${name}" "${version}") || return 1
  mkdir -p "${CACHE}/upstream"
  exec {lock}>"${CACHE}/upstream/${sum#*:}.lock"
  flock "${lock}"
  # The last holder of the lock may have had the same archive.
  if present "${name}" "${version}"; then
    return 0
  fi
  # The lock makes it ours, and what a killed one left there goes.
  WORK="${CACHE}/upstream/work.${sum#*:}"
  trap 'rm -rf "${WORK}"' EXIT
  rm -rf "${WORK}"
  mkdir "${WORK}"
  fetch "${url}" "${sum}" "${WORK}/download" && unpack "${url}" "${WORK}/download"
}

main() {
  case "$1" in
    version) known "$2" ;;
    # The part of take that runs below hack/tick.sh.
    download) download "$2" "$3" ;;
    *) take "$@" ;;
  esac
}

main "$@"; exit
